/**
 * When things are due, earliest first: a binary heap beside a map that has the last word. Setting
 * a member again leaves its older heap node behind; nodes the map contradicts are skipped later.
 */

interface HeapNode {
  readonly member: string;
  readonly atMs: number;
}

/** Stale nodes tolerated on top of as many as there are members, before the heap is rebuilt. */
const STALE_SLACK = 1024;

export class RetryHeap {
  #dueAtMs = new Map<string, number>();
  #nodes: HeapNode[] = [];

  get size(): number {
    return this.#dueAtMs.size;
  }

  /** Sets when a member is due; the last word counts. */
  set(member: string, atMs: number): void {
    if (this.#dueAtMs.get(member) === atMs) return;
    this.#dueAtMs.set(member, atMs);
    this.#nodes.push({ member, atMs });
    this.#rise(this.#nodes.length - 1);
    if (this.#nodes.length > 2 * this.#dueAtMs.size + STALE_SLACK) this.#rebuild();
  }

  /** Removes and answers the earliest member due at `nowMs` or before; of equals, the first by text. */
  takeDue(nowMs: number): string | null {
    while (this.#nodes.length > 0 && this.#nodes[0].atMs <= nowMs) {
      const { member, atMs } = this.#nodes[0];
      this.#removeFirst();
      if (this.#dueAtMs.get(member) === atMs) {
        this.#dueAtMs.delete(member);
        return member;
      }
    }
    return null;
  }

  #rebuild(): void {
    this.#nodes = Array.from(this.#dueAtMs, ([member, atMs]) => ({ member, atMs }));
    for (let index = (this.#nodes.length >> 1) - 1; index >= 0; index--) this.#sink(index);
  }

  #removeFirst(): void {
    const last = this.#nodes.pop()!;
    if (this.#nodes.length === 0) return;
    this.#nodes[0] = last;
    this.#sink(0);
  }

  #rise(start: number): void {
    const node = this.#nodes[start];
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(node, this.#nodes[parent])) break;
      this.#nodes[index] = this.#nodes[parent];
      index = parent;
    }
    this.#nodes[index] = node;
  }

  #sink(start: number): void {
    const node = this.#nodes[start];
    let index = start;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.#nodes.length) break;
      if (child + 1 < this.#nodes.length && isBefore(this.#nodes[child + 1], this.#nodes[child])) {
        child++;
      }
      if (!isBefore(this.#nodes[child], node)) break;
      this.#nodes[index] = this.#nodes[child];
      index = child;
    }
    this.#nodes[index] = node;
  }
}

function isBefore(a: HeapNode, b: HeapNode): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.member < b.member);
}
