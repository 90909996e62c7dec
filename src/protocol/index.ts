export * from './messages.js';
export * from './to-message.js';
export * from './version.js';
