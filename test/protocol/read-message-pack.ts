/**
 * The core of MessagePack and nothing of its extensions, read independently of the library that wrote it.
 * Throws on an extension type, on a map key that is no string, and on bytes that are left over.
 */
export function readMessagePack(bytes: Buffer): unknown {
  let at = 0;
  const take = (count: number): Buffer => bytes.subarray(at, (at += count));
  const text = (length: number): string => take(length).toString('utf8');
  const list = (length: number): unknown[] => Array.from({ length }, () => value());
  const map = (length: number): Record<string, unknown> =>
    Object.fromEntries(
      Array.from({ length }, () => {
        const key = value();
        if (typeof key !== 'string') throw new Error('a key is no string');
        return [key, value()];
      }),
    );

  function value(): unknown {
    const head = take(1)[0]!;
    if (head < 0x80) return head;
    if (head < 0x90) return map(head & 0x0f);
    if (head < 0xa0) return list(head & 0x0f);
    if (head < 0xc0) return text(head & 0x1f);
    if (head >= 0xe0) return head - 0x100;
    switch (head) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return take(take(1).readUInt8());
      case 0xc5: return take(take(2).readUInt16BE());
      case 0xca: return take(4).readFloatBE();
      case 0xcb: return take(8).readDoubleBE();
      case 0xcc: return take(1).readUInt8();
      case 0xcd: return take(2).readUInt16BE();
      case 0xce: return take(4).readUInt32BE();
      case 0xcf: return Number(take(8).readBigUInt64BE());
      case 0xd0: return take(1).readInt8();
      case 0xd1: return take(2).readInt16BE();
      case 0xd2: return take(4).readInt32BE();
      case 0xd3: return Number(take(8).readBigInt64BE());
      case 0xd9: return text(take(1).readUInt8());
      case 0xda: return text(take(2).readUInt16BE());
      case 0xdc: return list(take(2).readUInt16BE());
      case 0xde: return map(take(2).readUInt16BE());
      default: throw new Error(`type 0x${head.toString(16)} is not of the core`);
    }
  }

  const result = value();
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes are left over`);
  return result;
}
