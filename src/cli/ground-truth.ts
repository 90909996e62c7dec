import type { CocoDataset } from '../evaluation/coco-dataset.js';
import type { Dataset } from '../sources/dataset/dataset.js';

/**
 * Ground truth as the evaluation wants it. What COCO calls a crowd is there the only box that is neither right nor wrong to find, so
 * ignored boxes become crowds.
 */
export function toCocoDataset({ images, boxes, categories }: Dataset): CocoDataset {
  return {
    images: images.map(({ id, fileName, size }) => ({ id, file_name: fileName, ...size })),
    annotations: boxes.map(({ imageId, categoryId, xywh, areaPx, crowd, ignore }) => ({
      image_id: imageId,
      category_id: categoryId,
      bbox: [...xywh],
      area: areaPx,
      iscrowd: crowd || ignore ? 1 : 0,
    })),
    categories: categories.map(({ id, name }) => ({ id, name })),
  };
}
