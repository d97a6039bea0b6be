/**
 * What the second file is given by the first. Nothing of the first is imported here but its types: two copies of Lit, or of
 * an error class, would not know each other. The build holds that.
 */
import type { Kit } from '../second.js';

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
}: Kit = {} as Kit;

export function take(kit: Kit): void {
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
  } = kit);
}
