/** The fields that the user fills in. */
import type { Key } from '../i18n/texts.js';

export const roles = ['author', 'composer', 'arranger', 'adapter'] as const;
export type Role = (typeof roles)[number];
export const maxCreators = 32;

export interface Creator {
  /** Identifies the row, also after other rows were removed. */
  readonly id: number;
  fullName: string;
  email: string;
  roles: Readonly<Record<Role, boolean>>;
  ipi: string;
  isni: string;
}

export interface Draft {
  /** The access code as the user typed it. */
  readonly code: string;
  /** In an update also null: the registered recording stays. */
  readonly file: File | null;
  readonly title: string;
  readonly creators: readonly Creator[];
}

/** The part of a draft that is stored across a reload: never the access code, and only the name of the file. */
export interface SavedDraft {
  readonly title: string;
  /** The title that the file proposed. */
  readonly proposed: string;
  readonly creators: readonly Creator[];
  readonly filename: string;
  /** In an update: the work that the draft is for. */
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

/** A message of the catalogue next to one field, with its values. */
export interface FieldProblem {
  readonly key: Key;
  readonly values?: Readonly<Record<string, string | number>>;
}

/** Problems by path, for example file, title, creators.0.email. */
export type FieldProblems = Readonly<Record<string, FieldProblem>>;
