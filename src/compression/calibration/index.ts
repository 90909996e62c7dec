export { fractalPictures, type GeneratedOptions } from './fractals.js';
export { noisePictures } from './noise.js';
export { contactSheet, type SheetOptions } from './sheet.js';
export { firstPictures, keptPictures } from './subsets.js';
