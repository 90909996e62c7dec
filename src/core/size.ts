/** Width and height of a picture, pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}
