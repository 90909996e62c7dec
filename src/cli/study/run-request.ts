import type { StreamDefinition } from '../../config/stream-definition.js';
import type { ErrorCode } from '../../core/errors.js';
import type { Injection } from '../../study/injection.js';

/** A patch that is pasted on every picture. */
export interface PatchRequest {
  /** A picture; independent noise of its own seed where absent. */
  readonly file?: string | undefined;
}

/** What a study's process is asked for: one run of one configuration. */
export interface RunRequest {
  readonly run: number;
  /** Several run side by side, sharing what `lynceus run` would let them share. */
  readonly definitions: readonly StreamDefinition[];
  /** Id of the stage that an injection into `model` goes to. */
  readonly detector: string;
  /** Frames of each stream that are left out. */
  readonly warmupFrames: number;
  /** Frames of each stream after the warm-up. */
  readonly frames: number;
  /** The run ends after so long, counted from the end of the warm-up, with the frames that there are by then. */
  readonly limitMs: number;
  /** Those that work inside of the process; others are the asker's. */
  readonly injections: readonly Injection[];
  readonly seed: number;
  /** WebSocket clients, each of which gets every frame; with any, a frame's time ends where the last of them has it. */
  readonly subscribers: number;
  readonly patch?: PatchRequest | undefined;
}

/** What a study's process tells its parent; the records themselves go to its standard output, at its end. */
export type RunMessage =
  /** Frames are coming: whoever slows the machine down begins now. */
  | { readonly type: 'started' }
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly message: string; readonly fix?: string | undefined };
