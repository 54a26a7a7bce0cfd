// Calls to the door. Every failure is one kind of error, with words that can be shown.
import type { Failure } from './types';

export class ApiError extends Error implements Failure {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly request_id: string | null,
    readonly retry_after_s: number | null,
  ) {
    super(message);
  }
}

/** The door's error, or one of our own where the answer is none of the door's. */
export async function errorOf(response: Response): Promise<ApiError> {
  const said = await response.json().catch(() => null);
  const error = said?.error ?? {};
  const after = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
  return new ApiError(
    response.status,
    String(error.code ?? `http_${response.status}`),
    String(error.message ?? response.statusText),
    error.request_id ?? response.headers.get('x-request-id'),
    Number.isNaN(after) ? null : after,
  );
}

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, cache: 'no-store', headers: { accept: 'application/json' } };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { accept: 'application/json', 'content-type': 'application/json' };
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new ApiError(0, 'offline', '', null, null);
  }
  if (!response.ok) throw await errorOf(response);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** 128 random bits in hex: sent again, a message with this id adds nothing. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A failure in the form that is shown, whatever was thrown. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ApiError) return error;
  return { code: 'page', message: error instanceof Error ? error.message : String(error) };
}
