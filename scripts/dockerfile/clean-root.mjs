// A root file system like the base image's, and commands in it: Debian by debootstrap, Node copied from this machine, own mounts,
// own process ids and, where asked, an own network without a way out.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Where a certificate of this machine's network is put for the time of a RUN. */
const GUEST_CERTIFICATE = '/run/host-certificates.pem';

/** What this needs of the machine; empty where nothing is missing. */
export function missingTools() {
  const missing = ['debootstrap', 'unshare', 'nsenter', 'chroot', 'mount', 'ip', 'apt-get'].filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
  return process.getuid?.() === 0 ? missing : [...missing, 'root'];
}

/** Makes the file system of `node:VERSION-SUITE-slim`, once. */
export function makeBase(root, suite) {
  if (existsSync(join(root, 'made'))) return;
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  const archives = debianArchives(suite);
  execFileSync('debootstrap', ['--variant=minbase', suite, join(root, 'fs'), archives[0].uri], { stdio: ['ignore', 'ignore', 'inherit'] });
  const guest = (path) => join(root, 'fs', path);
  writeFileSync(guest('etc/apt/sources.list'), archives.map(({ uri, release }) => `deb ${uri} ${release} main\n`).join(''));
  copyNode(guest('usr/local'));
  execFileSync('chroot', [join(root, 'fs'), 'useradd', '--uid', '1000', '--create-home', '--shell', '/bin/bash', 'node']);
  writeFileSync(join(root, 'made'), '');
}

/** The archives of Debian that apt uses here: the main one first, then updates and security. */
function debianArchives(suite) {
  const lines = execFileSync('apt-get', ['indextargets', '--format', '$(REPO_URI) $(RELEASE) $(ORIGIN)', 'Identifier: Packages'], { encoding: 'utf8' }).trim().split('\n');
  const archives = [...new Set(lines)].map((line) => line.split(' ')).filter(([, release, ...origin]) => release?.startsWith(suite) && origin.join(' ').startsWith('Debian'));
  const sorted = archives.map(([uri, release]) => ({ uri, release })).sort((a, b) => a.release.length - b.release.length);
  return sorted[0]?.release === suite ? sorted : [{ uri: 'http://deb.debian.org/debian', release: suite }];
}

function copyNode(target) {
  const npm = join(execFileSync('npm', ['root', '-g'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim(), 'npm');
  mkdirSync(join(target, 'bin'), { recursive: true });
  cpSync(process.execPath, join(target, 'bin/node'), { dereference: true });
  cpSync(npm, join(target, 'lib/node_modules/npm'), { recursive: true, verbatimSymlinks: true });
  for (const name of ['npm', 'npx']) symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(target, 'bin', name));
}

/** A copy of a file system: what a stage starts from. */
export function cloneRoot(from, to) {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(dirname(to), { recursive: true });
  execFileSync('cp', ['-a', '--reflink=auto', from, to]);
}

const MOUNTS = `mount -t proc proc "$ROOT/proc" && mount --rbind /sys "$ROOT/sys" && mount -t tmpfs tmpfs "$ROOT/dev" \
&& for device in null zero full random urandom tty; do touch "$ROOT/dev/$device" && mount --bind "/dev/$device" "$ROOT/dev/$device"; done \
&& ln -s /proc/self/fd "$ROOT/dev/fd" && mkdir "$ROOT/dev/shm" && mount -t tmpfs -o mode=1777 tmpfs "$ROOT/dev/shm"`;
const CERTIFICATE = `if [ -n "$CERTIFICATE" ]; then touch "$ROOT${GUEST_CERTIFICATE}" && mount --bind "$CERTIFICATE" "$ROOT${GUEST_CERTIFICATE}"; fi`;
const ENTER = 'exec chroot --userspec="$GUEST_USER" "$ROOT" /usr/bin/env -i "$@"';

/** @typedef {{ root: string, user: string, workdir: string, env: Record<string, string> }} Guest */

/** Runs a shell line as RUN does: as the stage's user, with its variables, on this machine's network. Throws where it fails. */
export function runInRoot(guest, line) {
  const certificate = process.env.NODE_EXTRA_CA_CERTS ?? '';
  const env = { ...guest.env, ...(certificate === '' ? {} : { NODE_EXTRA_CA_CERTS: GUEST_CERTIFICATE }) };
  const script = `${MOUNTS} && ${CERTIFICATE} && ${ENTER}`;
  const command = guestCommand({ ...guest, env }, ['/bin/sh', '-c', line]);
  const { status } = spawnSync('unshare', ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', script, 'sh', ...command], {
    env: hostEnv(guest, { CERTIFICATE: certificate }),
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  rmSync(join(guest.root, GUEST_CERTIFICATE), { force: true });
  if (status !== 0) throw new Error(`RUN ended with status ${status}`);
}

/** Starts a program as `docker run --network none` does. @returns the process that holds its namespaces. */
export function startInRoot(guest, command) {
  const script = `${MOUNTS} && ip link set lo up && ${ENTER}`;
  return spawn('unshare', ['--net', '--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', script, 'sh', ...guestCommand(guest, command)], {
    env: hostEnv(guest),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs a command beside a started program, in its network and mounts. @returns its exit status. */
export function execBeside(holderPid, guest, command, timeoutMs) {
  const { status } = spawnSync('nsenter', ['--target', String(holderPid), '--net', '--mount', 'sh', '-c', ENTER, 'sh', ...guestCommand(guest, command)], {
    env: hostEnv(guest),
    timeout: timeoutMs,
    stdio: 'ignore',
  });
  return status;
}

/** The first process of the program, as this machine numbers it. */
export function firstProcess(holderPid) {
  const children = readFileSync(`/proc/${holderPid}/task/${holderPid}/children`, 'utf8').trim();
  return Number(children.split(' ')[0]);
}

/** User ids and names of a process and all below it. */
export function processTree(pid) {
  let status;
  try {
    status = readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return []; // it ended meanwhile
  }
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  return [{ name: /^Name:\s*(.*)$/m.exec(status)[1], uid: Number(/^Uid:\s*(\d+)/m.exec(status)[1]) }, ...children.flatMap((child) => processTree(Number(child)))];
}

function guestCommand({ root, user, workdir, env }, command) {
  const variables = Object.entries({ PATH: DEFAULT_PATH, HOME: homeOf(root, user), ...env }).map(([name, value]) => `${name}=${value}`);
  return [...variables, '/bin/sh', '-c', 'cd "$0" && exec "$@"', workdir, ...command];
}

function homeOf(root, user) {
  const entries = readFileSync(join(root, 'etc/passwd'), 'utf8').split('\n').map((line) => line.split(':'));
  const [id] = user.split(':');
  return entries.find(([name, , uid]) => name === id || uid === id)?.[5] ?? '/';
}

function hostEnv({ root, user }, more = {}) {
  return { PATH: process.env.PATH ?? DEFAULT_PATH, ROOT: root, GUEST_USER: user, ...more };
}

/** Copies as COPY does: a folder's contents, or files into a folder, owned by root. */
export function copyInto(root, sources, target, workdir, isSent) {
  const absolute = join(root, target.startsWith('/') ? target : join(workdir, target));
  const intoFolder = target.endsWith('/') || sources.length > 1 || existsSync(absolute);
  for (const { path, isFolder } of sources) {
    const to = isFolder || !intoFolder ? absolute : join(absolute, basename(path));
    mkdirSync(isFolder ? to : dirname(to), { recursive: true });
    cpSync(path, to, { recursive: true, verbatimSymlinks: true, filter: (from) => isSent(from) });
  }
}
