// Code generated from the server's OpenAPI document by internal/openapi/typescript; DO NOT EDIT.

export interface Confirmed {
  /** Of a new work: shown only here and in the result */
  access_code?: string;
  /** A path, like ws_url */
  status_url: string;
  transaction_id: string;
  /** A path: the client adds the server's address in front */
  ws_url: string;
}

export interface Creator {
  /** At most 255 characters */
  email: string;
  /** At most 255 characters */
  full_name: string;
  /** 1 to 11 digits */
  ipi?: string | null;
  /** 15 digits and a digit or X */
  isni?: string | null;
  /** At least one is true */
  roles: Roles;
}

export interface Creators {
  ats_id: number;
  creators: StoredCreator[];
  version: number;
}

export interface CreditsLowEvent {
  at: string;
  available: number;
  event: string;
  level: number;
  organization_id: string;
}

export interface Download {
  expires_at: string;
  /** Anyone with this URL can read the file */
  url: string;
}

export interface Failed {
  /** The catalogue's message, in English */
  error: string;
  error_code: 'transaction.failed';
  error_details?: FailedDetails;
  /** The request_id of the confirm */
  request_id: string;
  success: false;
}

export interface FailedDetails {
  /** The network's own name for the failure */
  reason: string;
}

export interface InitRequest {
  /** With an API key: none stores only the hash */
  asset_storage?: string | null;
  /** 1 to 32 */
  creators: Creator[];
  /** With a session, its own, or left out. With an API key, the end-user whose work this is, 1 to 255 bytes; left out: the organization */
  external_user_ref?: string | null;
  /** 1 to 255 characters; a path is cut to its last part */
  filename: string;
  /** The file's SHA-256, 0x and 64 hex digits. An upload must match it; without an upload it is registered */
  media_sha256?: string | null;
  /** testnet or mainnet; with a session, its network */
  network: 'testnet' | 'mainnet';
  /** With a test API key: the error code to rehearse */
  rehearse?: string | null;
  /** The file's size in bytes, if known */
  size_bytes?: number | null;
  /** 1 to 200 characters */
  title: string;
}

export interface InitVersionRequest {
  /** 1 to 32; all of them, not only those that changed */
  creators: Creator[];
  /** With an API key: the work's end-user, or left out */
  external_user_ref?: string | null;
  /** With an API key: the work's network */
  network?: string | null;
  /** With a test API key: the error code to rehearse */
  rehearse?: string | null;
}

export interface InitVersionUploadRequest {
  /** With an API key: none stores only the hash */
  asset_storage?: string | null;
  /** 1 to 32; all of them, not only those that changed */
  creators: Creator[];
  /** With an API key: the work's end-user, or left out */
  external_user_ref?: string | null;
  /** 1 to 255 characters; a path is cut to its last part */
  filename: string;
  /** The file's SHA-256, 0x and 64 hex digits. An upload must match it; without an upload it is registered */
  media_sha256?: string | null;
  /** With an API key: the work's network */
  network?: string | null;
  /** With a test API key: the error code to rehearse */
  rehearse?: string | null;
  /** The file's size in bytes, if known */
  size_bytes?: number | null;
}

export interface Job {
  job_id: string;
}

export interface MintRequest {
  /** The allowed calls of the session */
  action_type: 'register' | 'update_version' | 'access';
  /** The only work that the session may update */
  allowed_ats_id?: number | null;
  /** The only network of the session; with a test key, testnet */
  allowed_network: 'testnet' | 'mainnet';
  /** none: files of this session are not uploaded or stored; only hashes are registered */
  asset_storage?: string | null;
  /** The host's own id of the end-user, 1 to 255 bytes */
  external_user_ref?: string | null;
  /** Lowers the size cap, in bytes */
  max_file_size_bytes?: number | null;
  /** With a test key: the code that the session rehearses */
  rehearse?: string | null;
  /** csk_ (csk_test_ for a test key) and 64 hex digits */
  secret_key: string;
}

export interface PageInfo {
  /** The after of the next page; null on an empty page that is the last one */
  end_cursor: string | null;
  has_next_page: boolean;
  has_previous_page: boolean;
  /** null on an empty page */
  start_cursor: string | null;
}

export interface PartUrl {
  number: number;
  /** Exactly so many bytes */
  size_bytes: number;
  url: string;
}

export interface Parts {
  /** The parts are one file already: prepare is the next call */
  complete: boolean;
  job_id: string;
  part_count: number;
  /** The size of every part but the last */
  part_size_bytes: number;
  /** The size of the whole file */
  size_bytes: number;
  /** The parts that the store has completely, by number */
  stored: StoredPart[];
  /** The URLs that were asked for */
  urls: PartUrl[];
  /** Left out without URLs */
  urls_expire_at?: string;
}

export interface Quote {
  /** 0x and 64 hex digits */
  commitment: string;
  duration_seconds?: number;
  expires_at: string;
  /** Left out, like the next two, for a file that was not uploaded */
  format?: string;
  /** The file is a plain stream of MP3 or MP2 frames and ends inside a frame. It may be truncated, and is accepted. Left out when false */
  incomplete_last_frame?: boolean;
  is_valid: boolean;
  job_id: string;
  /** SHA-256 of the file, 0x and 64 hex digits */
  media_hash: string;
  network_fee_credits: number;
  /** Hz */
  sample_rate?: number;
  service_fee_credits: number;
  size_bytes: number;
  storage_fee_credits: number;
  total_deposit_credits: number;
  total_price_credits: number;
  work_id: string;
}

export interface RevokeRequest {
  /** All sessions of this end-user */
  external_user_ref?: string | null;
  /** csk_ and 64 hex digits: the secret key of the pair that minted the sessions */
  secret_key: string;
  /** The session with this id, the jti of its token */
  session_id?: string | null;
  /** The session of this token */
  token?: string | null;
}

export interface Revoked {
  /** How many sessions ended now */
  revoked: number;
}

export interface Roles {
  adapter?: boolean;
  arranger?: boolean;
  author?: boolean;
  composer?: boolean;
}

export interface Session {
  /** Seconds */
  expires_in: number;
  token: string;
}

export interface Stats {
  max_audio_size_bytes: number;
  /** The size from which the widget uploads in parts; left out with put */
  parts_from_bytes?: number;
  supported_formats: string[];
  total_works: number;
  /** put: with one PUT. multipart: in parts too, as the calls below parts describe */
  upload: 'put' | 'multipart';
}

export interface Step {
  description: string;
  progress: number;
  step: string;
  timestamp: string;
}

export interface StoredCreator {
  email: string;
  full_name: string;
  ipi?: string;
  isni?: string;
  /** author, composer, arranger, adapter */
  roles: string[];
}

export interface StoredPart {
  number: number;
  size_bytes: number;
}

export interface Succeeded {
  access_code?: string;
  ats_id: number;
  block_hash: string;
  block_number: number;
  explorer_url: string;
  /** When the network accepted it: the time on certificate and evidence */
  registered_at: string;
  success: true;
  tx_hash: string;
  work_id: string;
  /** The work's public page */
  work_url: string;
}

export interface TestEvent {
  at: string;
  endpoint_id: string;
  event: string;
  organization_id: string;
}

export interface Transaction {
  created_at: string;
  current_step: string;
  description: string;
  id: string;
  is_complete: boolean;
  progress: number;
  /** null until is_complete */
  result: Succeeded | Failed | null;
  steps: Step[];
  transaction_type: string;
  updated_at: string;
}

export interface UploadSlot {
  job_id: string;
  /** none: nothing is uploaded, and prepare needs the file's hash and size unless init had them; left out with an upload_url */
  upload?: 'none';
  upload_expires_at?: string;
  /** The client sends the file here with PUT: the bytes alone as the body, with Content-Length, without a token. The URL is the permission. A success is 200. Repeated PUTs are accepted until prepare, and the last complete one counts. The URL belongs to this server, which refuses with the envelope of every refusal, or to the object store of its operator */
  upload_url?: string;
}

export interface Version {
  asset_filename: string;
  block_hash: string;
  /** 0x and 64 hex digits, like all hashes here */
  commitment: string;
  /** The whole price of the version */
  fee_credits: number;
  media_hash: string;
  merkle_root: string;
  registered_at: string;
  registered_at_block: number;
  /** The part of fee_credits for storage */
  storage_fee_credits: number;
  tx_hash: string;
  version: number;
}

export interface VersionQuote {
  /** 0x and 64 hex digits */
  commitment: string;
  duration_seconds?: number;
  expires_at: string;
  /** Left out, like the next two, for a file that was not uploaded */
  format?: string;
  /** The file is a plain stream of MP3 or MP2 frames and ends inside a frame. It may be truncated, and is accepted. Left out when false */
  incomplete_last_frame?: boolean;
  is_valid: boolean;
  job_id: string;
  /** SHA-256 of the file, 0x and 64 hex digits */
  media_hash: string;
  network_fee_credits: number;
  /** Hz */
  sample_rate?: number;
  service_fee_credits: number;
  size_bytes: number;
  storage_fee_credits: number;
  total_deposit_credits: number;
  total_price_credits: number;
  /** The version's part of total_deposit_credits: always all of it */
  version_deposit_credits: number;
  work_id: string;
}

export interface Versions {
  ats_id: number;
  /** Oldest first */
  versions: Version[];
}

export interface Work {
  asset_filename: string;
  ats_id: number;
  created_at: string;
  /** null: the work of no end-user */
  external_user_ref: string | null;
  /** Whether the latest recording is stored here */
  has_files: boolean;
  id: string;
  latest_commitment: string;
  latest_version: number;
  latest_version_at: string;
  network: string;
  owner: string;
  title: string;
  updated_at: string;
  /** Oldest first */
  versions: Version[];
}

export interface WorkByCode {
  asset_filename: string;
  ats_id: number;
  created_at: string;
  /** Of the latest version */
  creators: StoredCreator[];
  /** 0x and 64 hex digits */
  latest_commitment: string;
  latest_version: number;
  network: string;
  /** The anchoring account, as the network names it */
  owner_address: string;
  title: string;
  /** Oldest first */
  versions: Version[];
}

export interface WorkFailedEvent {
  api_key_id: string | null;
  event: string;
  external_user_ref: string | null;
  failed_at: string;
  network: string;
  organization_id: string;
  reason: string;
  transaction_id: string;
}

export interface WorkFinalEvent {
  access_code: string | null;
  api_key_id: string | null;
  ats_id: number;
  block_hash: string;
  block_number: number;
  event: string;
  explorer_url: string | null;
  external_user_ref: string | null;
  finalized_at: string;
  network: string;
  organization_id: string;
  transaction_id: string;
  tx_hash: string;
}

export interface WorksPage {
  page_info: PageInfo;
  /** On all pages. For an end-user, 1001 means: more than 1000. A search with an API key counts among the 10,000 works of each network that were changed last */
  total_count: number;
  works: Work[];
}

/** The body of a webhook. `event` tells its kind; a newer server may send further kinds. */
export type WebhookEvent =
  | (CreditsLowEvent & { event: 'credits_low' })
  | (TestEvent & { event: 'test' })
  | (WorkFailedEvent & { event: 'work_failed' })
  | (WorkFinalEvent & { event: 'work_registered' })
  | (WorkFinalEvent & { event: 'work_updated' });
