/** Fetches a file of contract.ts, and gives it the modules that are on the page already. */
import { ProblemError } from '../ats/problem.js';
import type { Fetch } from './contract.js';
import { fetchFile } from './files.js';
import { given } from './given.js';

export const fetchPart: Fetch = async (part, atsUrl) => {
  try {
    return (await fetchFile(part, atsUrl)).use(given) as never;
  } catch {
    throw new ProblemError('widget.network_error', { reason: `ats-widget-${part}.js` });
  }
};
