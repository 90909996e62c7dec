#!/bin/sh
# Prints stream, number, latency and labels of each frame, five a second and stream at most.
set -eu
url=${1:-ws://127.0.0.1:7272/ws/v1}
subscribe='{"type":"subscribe","streams":["*"],"fields":["detections","end_to_end_ms"],"max_rate":5}'

# The subshell keeps the input open: websocat ends when it closes.
(
  echo "$subscribe"
  while sleep 3600; do :; done
) | websocat --protocol lynceus.v1.json ${LYNCEUS_TOKEN:+-H "Authorization: Bearer $LYNCEUS_TOKEN"} "$url" |
  jq --unbuffered -r 'select(.type == "frame") | "\(.stream) #\(.seq) \(.end_to_end_ms) ms \([.detections[].label] | join(", "))"'
