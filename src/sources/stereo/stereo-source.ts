import type { StereoSource } from '../../core/stereo-source.js';
import { createPairedSource, type PairedSourceOptions } from './paired-source.js';
import { createSideBySideSource, type SideBySideOptions } from './side-by-side-source.js';
import { createStereoFolderSource, type StereoFolderOptions } from './stereo-folder-source.js';

export type StereoSourceOptions =
  | ({ readonly kind: 'pair' } & PairedSourceOptions)
  | ({ readonly kind: 'side-by-side' } & SideBySideOptions)
  | ({ readonly kind: 'folder' } & StereoFolderOptions);

/** The kinds of stereo sources: two sources, a video that shows both, a folder of KITTI's layout. @throws AppError of the kind */
export async function createStereoSource(options: StereoSourceOptions): Promise<StereoSource> {
  switch (options.kind) {
    case 'pair':
      return createPairedSource(options);
    case 'side-by-side':
      return createSideBySideSource(options);
    case 'folder':
      return createStereoFolderSource(options);
  }
}
