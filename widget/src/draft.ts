/** What the user fills in. */
import type { Key } from './i18n.js';

export const roles = ['author', 'composer', 'arranger', 'adapter'] as const;
export type Role = (typeof roles)[number];
export const maxCreators = 32;

export interface Creator {
  /** Stays with the row when others are removed. */
  readonly id: number;
  fullName: string;
  email: string;
  roles: Readonly<Record<Role, boolean>>;
  ipi: string;
  isni: string;
}

export interface Draft {
  /** The access code as it was typed. */
  readonly code: string;
  /** Of an update null too: the registered recording stays. */
  readonly file: File | null;
  readonly title: string;
  readonly creators: readonly Creator[];
}

/** What is kept of a draft while the page is loaded again: never the access code, and of the file its name. */
export interface SavedDraft {
  readonly title: string;
  /** The title that the file proposed. */
  readonly proposed: string;
  readonly creators: readonly Creator[];
  readonly filename: string;
  /** Of an update: the work that it is for. */
  readonly atsId: number;
}

export const newCreator = (id: number): Creator => ({
  id,
  fullName: '',
  email: '',
  roles: { author: false, composer: false, arranger: false, adapter: false },
  ipi: '',
  isni: '',
});

/** A message of the catalogue beside one field, with its values. */
export interface FieldProblem {
  readonly key: Key;
  readonly values?: Readonly<Record<string, string | number>>;
}

/** Problems by path: file, title, creators.0.email and so on. */
export type FieldProblems = Readonly<Record<string, FieldProblem>>;
