import { connect } from './client/index.js';
import { StreamCard } from './stream-card.js';

const TICK_MS = 250;
const TOKEN_KEY = 'lynceus token';

const byId = (id) => document.getElementById(id);
const cards = new Map();
const view = { showBoxes: true, isPaused: false };
let client;
let state = { state: 'connecting', attempt: 1 };
let stateAtMs = performance.now();

function start() {
  const token = readToken();
  client = connect(new URL('/', location.href).href, {
    ...(token ? { token } : {}),
    ...wanted(),
    onState: enter,
    onFrame: (frame) => cardOf(frame.stream).frame(frame),
    onOccupancy: (message) => cardOf(message.stream).occupancy(message),
    onPreview: (picture) => cardOf(picture.stream).picture(picture),
    onEvent: (event) => cardOf(event.stream).event(event),
    onStats: (stats) => cardOf(stats.stream).stats(stats),
    onDropped: (dropped) => cardOf(dropped.stream).dropped(dropped),
  });
}

/** A page that nobody sees needs no pictures and no space. */
function wanted() {
  return { preview: !document.hidden, occupancy: !document.hidden };
}

function enter(next) {
  state = next;
  stateAtMs = performance.now();
  if (next.state === 'open') greet(next.hello);
  if (next.state === 'closed' && next.error?.code === 'ERR_AUTH_REQUIRED') askForToken();
  drawConnection();
}

function greet(hello) {
  byId('token-form').hidden = true;
  const clockOffsetMs = Date.parse(hello.server_time) - Date.now();
  const names = new Set(hello.streams.map(({ name }) => name));
  // A server that was started anew may run other streams.
  for (const [name, card] of cards) if (!names.has(name)) removeCard(name, card);
  for (const stream of hello.streams) {
    const card = cardOf(stream.name);
    card.about(stream);
    card.restart();
  }
  for (const card of cards.values()) card.clockOffsetMs = clockOffsetMs;
  byId('empty').hidden = cards.size > 0;
}

/** The stream's card; a stream that began after the greeting gets one when it is first heard of. */
function cardOf(name) {
  let card = cards.get(name);
  if (!card) {
    card = new StreamCard(byId('stream-card'), name);
    card.showBoxes = view.showBoxes;
    card.isPaused = view.isPaused;
    cards.set(name, card);
    byId('streams').append(card.element);
    byId('empty').hidden = true;
    void describe(name, card);
  }
  return card;
}

async function describe(name, card) {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const response = await fetch(`/api/v1/streams/${encodeURIComponent(name)}`, { headers: token ? { authorization: `Bearer ${token}` } : {} }).catch(() => undefined);
  if (response?.ok) card.about(await response.json());
}

function removeCard(name, card) {
  card.element.remove();
  cards.delete(name);
}

function drawConnection() {
  const text = connectionText();
  const line = byId('connection');
  line.dataset.state = state.state;
  if (line.textContent !== text) line.textContent = text;
}

function connectionText() {
  switch (state.state) {
    case 'open':
      return `Connected · ${cards.size === 1 ? '1 stream' : `${cards.size} streams`} · version ${state.hello.server.version}`;
    case 'waiting': {
      const leftS = Math.max(0, Math.ceil((state.retryInMs - (performance.now() - stateAtMs)) / 1000));
      return `The server is gone. Trying again${leftS > 0 ? ` in ${leftS} s` : ' …'}`;
    }
    case 'connecting':
      return state.attempt > 1 ? 'The server is gone. Trying again …' : 'Connecting …';
    default:
      return state.error?.code === 'ERR_AUTH_REQUIRED' ? 'Not connected: a token is needed' : (state.error?.message ?? 'Closed');
  }
}

/** `#token=` in the address is taken once and removed: it is never sent to a server and should not stay on the screen. */
function readToken() {
  const fromAddress = new URLSearchParams(location.hash.slice(1)).get('token');
  if (fromAddress) {
    sessionStorage.setItem(TOKEN_KEY, fromAddress);
    history.replaceState(null, '', location.pathname);
  }
  return sessionStorage.getItem(TOKEN_KEY);
}

function askForToken() {
  byId('empty').hidden = true;
  if (sessionStorage.getItem(TOKEN_KEY)) byId('token-problem').textContent = 'That token is not the right one.';
  sessionStorage.removeItem(TOKEN_KEY);
  byId('token-form').hidden = false;
  byId('token-form').elements.token.focus();
}

byId('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN_KEY, event.target.elements.token.value);
  event.target.reset();
  start();
});

function toggle(id, key) {
  byId(id).addEventListener('click', () => {
    view[key] = !view[key];
    byId(id).setAttribute('aria-pressed', String(view[key]));
    for (const card of cards.values()) card[key] = view[key];
  });
}
toggle('toggle-boxes', 'showBoxes');
toggle('toggle-pause', 'isPaused');

document.addEventListener('visibilitychange', () => client?.subscribe(wanted()));

setInterval(() => {
  drawConnection();
  document.body.classList.toggle('gone', state.state !== 'open');
  if (!document.hidden) for (const card of cards.values()) card.tick();
}, TICK_MS);

start();
