/** Channels that can only be removed together, as disjoint sets. A channel is a number that stands for one plane of one or more tensors. */
export class CoupledChannels {
  readonly #parent: number[] = [];
  readonly #isPinned: boolean[] = [];

  /** Channels that nothing couples yet. */
  create(count: number): number[] {
    return Array.from({ length: count }, () => {
      this.#parent.push(this.#parent.length);
      this.#isPinned.push(false);
      return this.#parent.length - 1;
    });
  }

  couple(a: number, b: number): void {
    const [first, second] = [this.rootOf(a), this.rootOf(b)];
    // The smaller number stands for both, so that results don't depend on the order.
    const [root, other] = first < second ? [first, second] : [second, first];
    this.#parent[other] = root;
    this.#isPinned[root] = this.#isPinned[root]! || this.#isPinned[other]!;
  }

  /** These may not be removed. */
  pin(channels: Iterable<number>): void {
    for (const channel of channels) this.#isPinned[this.rootOf(channel)] = true;
  }

  rootOf(channel: number): number {
    let root = channel;
    while (this.#parent[root] !== root) root = this.#parent[root]!;
    for (let at = channel; at !== root; ) {
      const next = this.#parent[at]!;
      this.#parent[at] = root;
      at = next;
    }
    return root;
  }

  isPinned(channel: number): boolean {
    return this.#isPinned[this.rootOf(channel)]!;
  }
}
