"""The same job in OpenCV's own pipeline: VideoCapture, cv2.dnn with the Darknet files, decode, NMS. Prints JSON.

usage: opencv_pipeline.py VIDEO CFG WEIGHTS FRAMES
"""
import json
import sys
import time

import cv2
import numpy as np

video, cfg, weights, wanted = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
network = cv2.dnn.readNetFromDarknet(cfg, weights)
network.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
outputs = network.getUnconnectedOutLayersNames()
capture = cv2.VideoCapture(video)
warmup, seen, boxes_found, start = 50, 0, 0, 0.0
while seen < warmup + wanted:
    ok, frame = capture.read()
    if not ok:
        capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
        continue
    blob = cv2.dnn.blobFromImage(frame, 1 / 255.0, (320, 320), swapRB=True, crop=False)
    network.setInput(blob)
    rows = np.concatenate(network.forward(outputs))
    scores = rows[:, 5:]
    best = scores.argmax(1)
    confidence = scores[np.arange(len(rows)), best]
    keep = confidence > 0.25
    height, width = frame.shape[:2]
    centre = rows[keep, :4] * [width, height, width, height]
    boxes = np.column_stack([centre[:, 0] - centre[:, 2] / 2, centre[:, 1] - centre[:, 3] / 2, centre[:, 2], centre[:, 3]])
    if len(boxes):
        kept = cv2.dnn.NMSBoxesBatched(boxes.tolist(), confidence[keep].tolist(), best[keep].tolist(), 0.25, 0.45) if hasattr(cv2.dnn, "NMSBoxesBatched") else cv2.dnn.NMSBoxes(boxes.tolist(), confidence[keep].tolist(), 0.25, 0.45)
        boxes_found += len(kept)
    seen += 1
    if seen == warmup:
        start = time.perf_counter()
elapsed = time.perf_counter() - start
print(json.dumps({"fps": round(wanted / elapsed, 2), "frames": wanted, "threads": cv2.getNumThreads(), "opencv": cv2.__version__, "boxes": boxes_found}))
