import { encode } from '@msgpack/msgpack';

/** Plain MessagePack, as any client's library writes it. */
export const packr = { pack: (value: unknown): Buffer => Buffer.from(encode(value)) };
