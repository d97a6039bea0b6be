import { refuse } from './refusal.js';

// The limits for a file: proof/pdf/budget.go has the same, and says what they are.
/** The largest PDF that is read, in bytes. Certificates are far smaller. */
export const maxFile = 8 << 20;
export const maxAttachment = 1 << 20;
export const maxSpecifications = 64;
export const maxDepth = 64;
export const maxReading = 16;
export const maxSections = 64;
export const maxEntries = 200_000;
export const maxValues = 1 << 20;
export const maxFilters = 8;
/** The bytes in which the header stands, and startxref. */
export const maxHead = 1024;
export const maxTail = 1024;

/** The work of reading a file. */
export class Budget {
  steps = 0;
  entries = 0;
  values = 0;
  constructor(readonly most: number) {}

  /** Counts bytes. */
  step(n: number): void {
    if ((this.steps += n) > this.most) refuse('work');
  }

  entry(): void {
    if (++this.entries > maxEntries) refuse('work');
  }

  value(): void {
    if (++this.values > maxValues) refuse('work');
  }

  /** The number of bytes that a stream may unpack to, if the caller wants at most most. */
  room(most: number): number {
    return Math.min(most, this.most - this.steps);
  }
}
