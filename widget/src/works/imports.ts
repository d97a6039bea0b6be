/**
 * The parts of the first file that the works file receives. This file imports only types from it: two copies of Lit, or of an error class,
 * would not recognise each other. The build checks that.
 */
import type { Imports } from '../parts.js';

export let {
  certificate,
  complaint,
  creatorsFrom,
  download,
  en,
  errorTable,
  fetchingText,
  heading,
  html,
  invalid,
  legible,
  malformed,
  noticeOf,
  nothing,
  ProblemError,
  problemOf,
  recording,
  sentenceOf,
  submits,
  tidyCode,
}: Imports = {} as Imports;

export function take(imports: Imports): void {
  ({
    certificate,
    complaint,
    creatorsFrom,
    download,
    en,
    errorTable,
    fetchingText,
    heading,
    html,
    invalid,
    legible,
    malformed,
    noticeOf,
    nothing,
    ProblemError,
    problemOf,
    recording,
    sentenceOf,
    submits,
    tidyCode,
  } = imports);
}
