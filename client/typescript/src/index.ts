/** The client of a Timbre server. docs/typescript.md describes it. */
export { Timbre } from './client.js';
export type { ListOptions, MintOptions, Network, ReadOptions, UpdateOptions, VersionOptions } from './client.js';
export { TimbreError, is } from './errors.js';
export type { ClientErrorCode, ClientErrorDetails, Code, Details } from './errors.js';
export type { CallOptions, Options } from './http.js';
export type { Progress, Registered, RegisterOptions, RunOptions, State } from './registration.js';
export type { RangeReader, Recording } from './upload.js';
export { WebhookError, verifyWebhook } from './webhook.js';
export type { Webhook, WebhookHeaders, WebhookOptions, WebhookProblem } from './webhook.js';
export type { ErrorCode, ErrorDetails, FieldError } from './gen/errors.js';
export type {
  Creator,
  Creators,
  CreditsLowEvent,
  Download,
  PageInfo,
  Quote,
  Roles,
  Session,
  Stats,
  Step,
  StoredCreator,
  TestEvent,
  Transaction,
  Version,
  VersionQuote,
  Versions,
  WebhookEvent,
  Work,
  WorkByCode,
  WorkFailedEvent,
  WorkFinalEvent,
  WorksPage,
} from './gen/api.js';
