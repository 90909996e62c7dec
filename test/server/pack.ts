import { Packr } from 'msgpackr';

/** Plain MessagePack, as any client's library writes it. */
export const packr = new Packr({ useRecords: false });
