/** JSON as the API writes it: names in snake_case, and fields that a newer server has more of. */
export interface Open {
  [field: string]: unknown;
}

export interface Usage extends Open {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  cached_tokens?: number;
  cache_write_tokens?: number;
  reasoning_tokens?: number;
  characters?: number;
  audio_tokens?: number;
}

export interface Audio extends Open {
  url: string | null;
  format: string;
  bytes: number;
  duration_s: number;
  sha256: string;
  timestamps?: unknown;
}

/** `cost` is in USD, null where a price is unknown; `cost_exact` has its digits where a number cannot hold them. */
export interface Result extends Open {
  content: string | null;
  model: string;
  provider: string;
  usage: Usage | null;
  cost: number | null;
  readonly cost_exact?: string;
  cached: boolean;
  finish_reason?: string;
  parsed?: any;
  tool_calls?: unknown[];
  embeddings?: number[][];
  audio?: Audio;
  warnings?: string[];
  variant?: string;
}

export interface JobError extends Open {
  kind: string;
  message: string;
  provider: string | null;
  status: number | null;
  retryable: boolean;
  request_id: string | null;
}

export interface Job extends Open {
  id: string;
  object: 'job';
  status: string;
  kind: string;
  model: string;
  project: string;
  batch_id: string | null;
  key: string | null;
  priority: string;
  position: number | null;
  attempts: number;
  calls: Open[];
  result: Result | null;
  error: JobError | null;
  cost: number | null;
  readonly cost_exact?: string;
  uncertain_cost: number | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  expires_at: string | null;
  metadata: Open;
  urls: Record<string, string>;
}

export interface Batch extends Open {
  id: string;
  object: 'job_batch';
  status: string;
  name: string | null;
  total: number;
  counts: Record<string, number>;
  cost: number | null;
  readonly cost_exact?: string;
  sequence: number;
  created_at: string;
  finished_at: string | null;
  content_deleted_at: string | null;
  metadata: Open;
  urls: Record<string, string>;
}

export interface BatchResult extends Open {
  line?: number;
  key: string | null;
  job_id: string;
  status: string;
  result: Result | null;
  error: JobError | null;
  cost: number | null;
}

export interface FactoryEvent extends Open {
  type: string;
  job_id?: string;
  batch_id?: string;
  sequence: number;
  at: string;
  data: any;
}

export interface JobPage {
  data: Job[];
  next_cursor: string | null;
}

export interface UsageReport extends Open {
  by: string[];
  data: Open[];
  totals: Open;
  total_cost: number | null;
}

export interface Quote extends Open {
  totals: Open;
  groups: Open[];
  fits: boolean;
  reason: string | null;
  limit_minutes: number | null;
  lines?: Open[];
}

export interface Voice extends Open {
  voice: string;
  provider: string;
  provider_voice_id: string;
  models: string[];
}

export interface Problem {
  message: string;
  field?: string;
  line?: number;
}

/** Fields in snake_case or camelCase; see the API's page for all of them. */
export type Request = Open & {model?: string; kind?: 'text' | 'speech' | 'embedding'; prompt?: string};
export type Jobs = Iterable<Request | string> | AsyncIterable<Request | string> | string | Blob | Uint8Array;
export type Named<T> = T | string;

export interface Signal {
  signal?: AbortSignal;
}
export interface Keyed extends Signal {
  idempotencyKey?: string;
}
export interface Timed extends Signal {
  timeoutMs?: number;
}
export interface BatchOptions extends Keyed {
  name?: string;
  metadata?: Record<string, unknown>;
  maxCostUsd?: number | string;
  onError?: 'reject' | 'skip';
}

export class FactoryError extends Error {}
export class NotConfigured extends FactoryError {}
export class Unreachable extends FactoryError {}
export class Corrupted extends FactoryError {}
export class SignatureInvalid extends FactoryError {}
export class ApiError extends FactoryError {
  readonly status: number;
  readonly code: string | null;
  readonly problems: Problem[];
  readonly requestId: string | null;
  readonly retryAfterMs: number | null;
}
export class JobFailed extends FactoryError {
  readonly job: Job;
  readonly kind: string;
  readonly provider: string | null;
  readonly retryable: boolean;
}
export class Timeout extends FactoryError {
  readonly found: Job | Batch;
}

export class FactoryClient {
  constructor(options?: {url?: string; apiKey?: string; fetch?: typeof fetch; retryForMs?: number});
  readonly url: string;
  generate(request: Request, options?: Timed & Keyed): Promise<Result>;
  submit(request: Request, options?: Keyed): Promise<Job>;
  job(job: Named<Job>, options?: Signal): Promise<Job>;
  wait(job: Named<Job>, options?: Timed): Promise<Job>;
  delete(job: Named<Job>, options?: Signal): Promise<void>;
  cancel(job: Named<Job>, options?: Signal): Promise<Job>;
  retry(job: Named<Job>, options?: Signal): Promise<Job>;
  events(of: Named<Job> | Batch, options?: Signal & {after?: number}): AsyncGenerator<FactoryEvent, void>;
  batch(jobs: Jobs, options?: BatchOptions): Promise<Batch>;
  getBatch(batch: Named<Batch>, options?: Signal): Promise<Batch>;
  batchWait(batch: Named<Batch>, options?: Timed): Promise<Batch>;
  deleteBatch(batch: Named<Batch>, options?: Signal): Promise<void>;
  cancelBatch(batch: Named<Batch>, options?: Signal): Promise<Batch>;
  retryFailed(batch: Named<Batch>, options?: Keyed): Promise<Batch>;
  results(batch: Named<Batch>, options?: Signal & {status?: string}): AsyncGenerator<BatchResult, void>;
  batchErrors(batch: Named<Batch>, options?: Signal): AsyncGenerator<{line: number; key: string | null; problems: Problem[]}, void>;
  batchJobs(batch: Named<Batch>, options?: Signal): AsyncGenerator<Job, void>;
  speak(text: string, fields?: Request, options?: Timed & Keyed): Promise<Uint8Array>;
  download(job: Named<Job>, options?: Signal): Promise<Uint8Array>;
  audio(job: Named<Job>, options?: Signal): AsyncGenerator<Uint8Array, void>;
  usage(query?: Record<string, string>, options?: Signal): Promise<UsageReport>;
  quote(jobs: Jobs, options?: Signal & {maxCostUsd?: number | string; lines?: boolean}): Promise<Quote>;
  voices(options?: Signal): Promise<Voice[]>;
  jobs(filters?: Record<string, string | number>, options?: Signal): Promise<JobPage>;
  eachJob(filters?: Record<string, string | number>, options?: Signal): AsyncGenerator<Job, void>;
  request(
    method: string,
    path: string,
    options?: Keyed & {body?: unknown; query?: Record<string, unknown>},
  ): Promise<any>;
}

export function answerOf(job: Job): Result;
export function isOver(found: Job | Batch): boolean;
export function verifyWebhook(
  headers: Headers | Record<string, string>,
  body: string | Uint8Array | ArrayBuffer,
  secret: string,
  options?: {toleranceS?: number; now?: number},
): Promise<{type: string; timestamp: string; data: any}>;
