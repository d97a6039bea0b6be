/** The entry ./define: defines <ats-widget>, unless the page has one already. On a server without a DOM it does nothing. */
import { define } from './registry.js';

define();
