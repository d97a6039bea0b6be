/** The steps of the flow, as the screens and the works use them. */
import type { Shape, Shaped } from './ats/api.js';
import type { Problem } from './ats/problem.js';
import type { Action } from './machine.js';
import type { Resume, State } from './state.js';

/** The steps that a screen may take. */
export interface Steps {
  /** The current state; that of a View is the drawn one. */
  readonly state: State;
  /** Largest file in bytes, 0 when unknown. */
  readonly maxBytes: number;
  /** The song is in the end-user's account. */
  readonly known: boolean;
  dispatch(a: Action): void;
  /** Looks up the work of the access code. */
  open(): void;
  /** Leaves the first page of the form when it is valid. */
  next(): void;
  /** Sends everything, up to the price. */
  submit(): void;
  /** The user agrees to the price. */
  confirm(): void;
  /** Asks for a new price. */
  requote(): void;
  retry(): void;
  /** Returns to the form, everything kept. */
  edit(): void;
}

/** The steps that the works of an end-user take besides. */
export interface Reading {
  readonly state: State;
  readonly tokens: {
    readonly value: string;
    clear(): void;
    expect(other: boolean): void;
  };
  dispatch(a: Action): void;
  resume(from: Resume): void;
  /** Reads data of the end-user. */
  read<S extends Shape>(path: string, shape: S, signal: AbortSignal): Promise<Shaped<S>>;
  /** A problem that ends the screen. */
  fail(thrown: unknown): void;
  /** A problem that is shown next to its part of the screen. */
  report(problem: Problem, stage: string): void;
}
