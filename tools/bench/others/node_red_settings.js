// Node-RED without its editor, on loopback, with kept connections.
module.exports = {
  uiHost: "127.0.0.1",
  httpAdminRoot: false,
  disableEditor: true,
  httpNodeRoot: "/",
  flowFile: "flow.json",
  credentialSecret: false,
  diagnostics: { enabled: false },
  telemetry: { enabled: false, updateNotification: false },
  logging: { console: { level: "warn", metrics: false, audit: false } },
};
