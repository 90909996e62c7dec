/** Calibrations of each format: the texts as their tools write them, with values of no particular camera but KITTI's published ones. */

export const KITTI_OBJECT = `P0: 7.215377e+02 0.000000e+00 6.095593e+02 0.000000e+00 0.000000e+00 7.215377e+02 1.728540e+02 0.000000e+00 0.000000e+00 0.000000e+00 1.000000e+00 0.000000e+00
P1: 7.215377e+02 0.000000e+00 6.095593e+02 -3.875744e+02 0.000000e+00 7.215377e+02 1.728540e+02 0.000000e+00 0.000000e+00 0.000000e+00 1.000000e+00 0.000000e+00
P2: 7.215377e+02 0.000000e+00 6.095593e+02 4.485728e+01 0.000000e+00 7.215377e+02 1.728540e+02 2.163791e-01 0.000000e+00 0.000000e+00 1.000000e+00 2.745884e-03
P3: 7.215377e+02 0.000000e+00 6.095593e+02 -3.395242e+02 0.000000e+00 7.215377e+02 1.728540e+02 2.199936e+00 0.000000e+00 0.000000e+00 1.000000e+00 2.729905e-03
R0_rect: 9.999239e-01 9.837760e-03 -7.445048e-03 -9.869795e-03 9.999421e-01 -4.278459e-03 7.402527e-03 4.351614e-03 9.999631e-01
`;

export const KITTI_RAW = `calib_time: 09-Jan-2012 13:57:47
corner_dist: 9.950000e-02
S_02: 1.392000e+03 5.120000e+02
K_02: 9.597910e+02 0.000000e+00 6.960217e+02 0.000000e+00 9.569251e+02 2.241806e+02 0.000000e+00 0.000000e+00 1.000000e+00
S_rect_02: 1.242000e+03 3.750000e+02
P_rect_02: 7.215377e+02 0.000000e+00 6.095593e+02 4.485728e+01 0.000000e+00 7.215377e+02 1.728540e+02 2.163791e-01 0.000000e+00 0.000000e+00 1.000000e+00 2.745884e-03
S_rect_03: 1.242000e+03 3.750000e+02
P_rect_03: 7.215377e+02 0.000000e+00 6.095593e+02 -3.395242e+02 0.000000e+00 7.215377e+02 1.728540e+02 2.199936e+00 0.000000e+00 0.000000e+00 1.000000e+00 2.729905e-03
`;

export const MIDDLEBURY = `cam0=[1500 0 480.5; 0 1500 370.25; 0 0 1]
cam1=[1500 0 530.5; 0 1500 370.25; 0 0 1]
doffs=50
baseline=120.5
width=960
height=720
ndisp=140
isint=0
vmin=20
vmax=130
dyavg=0
dymax=0
`;

const matrix = (name: string, rows: number, columns: number, data: string): string => `${name}: !!opencv-matrix\n   rows: ${rows}\n   cols: ${columns}\n   dt: d\n   data: [ ${data} ]\n`;

export const OPENCV_INTRINSICS =
  '%YAML:1.0\n---\n' +
  matrix('M1', 3, 3, '5.3350000000000000e+02, 0., 3.4160000000000002e+02, 0.,\n       533.7, 235.2, 0., 0., 1.') +
  matrix('D1', 5, 1, '-0.288, 9.7000000000000003e-02, 1.0900000000000000e-03, -0.0003, 0.') +
  matrix('M2', 3, 3, '536.9, 0., 326.4, 0., 536.5, 250.1, 0., 0., 1.') +
  matrix('D2', 5, 1, '-0.2895, 0.107, -0.0005, 0.0002, 0.');

export const OPENCV_EXTRINSICS =
  '%YAML:1.0\n---\n' +
  matrix('R', 3, 3, '9.9996750056603767e-01, -4.0418599366278014e-03, -6.9757565872117918e-03, 3.9578613996175821e-03, 9.9992000139332360e-01, -1.2013581760536447e-02, 7.0237557512176320e-03, 1.1985582248199707e-02, 9.9990350168069664e-01') +
  matrix('T', 3, 1, '-3.34, 4.8000000000000001e-02, -5.0000000000000003e-02');

/** What OpenCV 4.6 makes of both: `stereoRectify(M1, D1, M2, D2, (640, 480), R, T, alpha=-1)`, and a few places of `initUndistortRectifyMap`. */
export const OPENCV_RECTIFIED = {
  focalPx: 535.1,
  centre: { x: 331.12704849243164, y: 244.19025421142578 },
  shift: -1787.6187819924135,
  left: [0.999800515421567, -0.01822861833236657, 0.008163751371886937, 0.018277595101567623, 0.9998151545996787, -0.005965412820890215, -0.008053501106489454, 0.006113436555113673, 0.9999488822001925],
  right: [0.9997847516504694, -0.014368164095577876, 0.01496683759955951, 0.014277501540449428, 0.9998791769431662, 0.006146906963567635, -0.015053349028422381, -0.005931894805105646, 0.9998690960856075],
  /** A pixel of the rectified left picture, and where it comes from. */
  map: [
    [0, 0, 48.830841064453125, 33.2242317199707],
    [500, 100, 495.0825500488281, 98.73017883300781],
    [320, 240, 326.13623046875, 234.48704528808594],
    [639, 479, 610.2691650390625, 438.5207824707031],
  ],
} as const;

/** As `camera_calibration` of ROS writes it. @param shift fourth entry of the projection matrix */
export const cameraInfo = (shift: number, model = 'plumb_bob', width = 640): string => `image_width: ${width}
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [501.2, 0.0, 318.4, 0.0, 502.7, 241.9, 0.0, 0.0, 1.0]
distortion_model: ${model}
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.31, 0.09, 0.0007, -0.0002, 0.0]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
projection_matrix:
  rows: 3
  cols: 4
  data: [450.0, 0.0, 320.5, ${shift}, 0.0, 450.0, 240.5, 0.0, 0.0, 0.0, 1.0, 0.0]
`;

/** As `ros2 topic echo` prints the message. */
export const cameraInfoMessage = (shift: number): string => `header:
  frame_id: camera
height: 480
width: 640
distortion_model: plumb_bob
d: [-0.31, 0.09, 0.0007, -0.0002, 0.0]
k: [501.2, 0.0, 318.4, 0.0, 502.7, 241.9, 0.0, 0.0, 1.0]
r: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
p: [450.0, 0.0, 320.5, ${shift}, 0.0, 450.0, 240.5, 0.0, 0.0, 0.0, 1.0, 0.0]
binning_x: 0
`;
