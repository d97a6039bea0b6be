/** The entry of hash-worker.js: the script of the worker that reads a recording. It imports no other file of the package. */
import { listen } from '../../src/hash/digest.js';

listen();
