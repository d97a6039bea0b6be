/** The empty form: the start of every registration and update. */
import { newCreator } from './form/draft.js';
import type { Purpose, State } from './machine.js';

export const initial = (mode: Purpose = 'register', own = false, id = 0): State => ({
  mode,
  own,
  screen: 'FORM',
  step: mode === 'register' ? 'song' : own ? 'works' : 'code',
  opening: false,
  moved: false,
  phase: 'preparing',
  code: '',
  file: null,
  title: '',
  creators: [newCreator(id)],
  errors: {},
  lost: '',
  proposed: '',
  notice: '',
  wait: [0, 0],
  loaded: 0,
  stays: false,
  quoteOver: false,
  doubt: false,
  steps: [],
  resume: 'none',
});
