const MASK = '***';
/** Names of query parameters whose value is a secret, anywhere in the name: `access_token`, `X-Amz-Signature`, `pwd`. */
const SECRET_PARAMETER = /([?&;#\s]|^)([\w.-]*(?:token|secret|pass|pwd|key|auth|sign?(?:ature)?|credential|session|user|usr|login|jwt|hdnts|hdnea|policy)[\w.-]*)=([^&;#\s'"<>]*)/gi;
/** Everything between `://` and the last `@` of the authority: a password may itself hold an `@`. */
const USER_INFO = /([a-z][a-z0-9+.-]*:\/\/)[^\s/?#'"<>]*@/gi;
/**
 * A password with an unescaped `/`, `?` or `#`: not a valid address, yet people write it. A path with an `@` behind a port looks the same
 * and is hidden too: better that than a password shown.
 */
const BROKEN_USER_INFO = /([a-z][a-z0-9+.-]*:\/\/)[^\s/?#'"<>:@]*:[^\s'"<>]*@/gi;
const AUTHORIZATION = /(authorization\s*[:=]\s*)(\S+\s+)?[^\r\n]+/gi;

/** The text without user, password and secret query values of any address in it. */
export function redact(text: string): string {
  return text
    .replace(BROKEN_USER_INFO, `$1${MASK}@`)
    .replace(USER_INFO, `$1${MASK}@`)
    .replace(SECRET_PARAMETER, `$1$2=${MASK}`)
    .replace(AUTHORIZATION, `$1${MASK}`);
}

/** An address as people may see it: without user, password and secret query values. */
export function redactUrl(url: string): string {
  return redact(url).replaceAll(`${MASK}@`, '');
}

/**
 * A redactor that also knows the secrets of one address, and hides them where they stand alone (a server may repeat them in its
 * messages). Secrets under four characters are found in addresses only: hiding each `a` would spoil the message.
 */
export function createRedactor(url: string): (text: string) => string {
  const secrets = secretsOf(url)
    .filter((secret) => secret.length >= 4)
    .sort((a, b) => b.length - a.length);
  return (text) => secrets.reduce((redacted, secret) => redacted.replaceAll(secret, MASK), redact(text));
}

function secretsOf(url: string): string[] {
  const userInfo = /:\/\/([^\s/?#]*)@/.exec(url)?.[1] ?? '';
  const colon = userInfo.indexOf(':');
  const password = colon < 0 ? '' : userInfo.slice(colon + 1);
  const values = [...url.matchAll(SECRET_PARAMETER)].map((match) => match[3] ?? '');
  const raw = [password, ...values];
  const plain = [...raw, ...raw.map(decoded)];
  return [...new Set([...plain, Buffer.from(decoded(userInfo)).toString('base64')])];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray per cent sign
  }
}
