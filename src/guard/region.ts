/** A rectangle of whole pixels of the model input; `right` and `bottom` are exclusive, so the area is `(right - left) * (bottom - top)`. */
export interface InputRegion {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}
