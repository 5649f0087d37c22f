// Posts what stands in the queue; BullMQ tries again what is refused.
// usage: node bullmq_worker.mjs REDIS_PORT RECEIVER_PORT
import { Agent, request } from "node:http";
import { Worker } from "bullmq";

const [redisPort, receiverPort] = process.argv.slice(2).map(Number);
const concurrency = 100; // its default of 1 would post one after the other
const agent = new Agent({ keepAlive: true, maxSockets: concurrency });

function post(body) {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: "127.0.0.1", port: receiverPort, path: "/hook", method: "POST", agent, timeout: 15_000,
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      },
      (answer) => {
        answer.resume();
        answer.on("end", () => (answer.statusCode < 300 ? resolve() : reject(new Error(`${answer.statusCode}`))));
      },
    );
    call.on("timeout", () => call.destroy(new Error("timeout")));
    call.on("error", reject);
    call.end(body);
  });
}

const worker = new Worker(
  "webhooks",
  async (job) => {
    const { contact, data } = job.data;
    await post(JSON.stringify({
      id: `evt_${job.id}`, event: "automation.webhook.send", timestamp: new Date().toISOString(), idClient: 1,
      data: {
        type: "member", id: contact.id, email: contact.email, firstname: "Person", lastname: null,
        mark: data.mark, note: "thank you for coming",
      },
    }));
  },
  { connection: { host: "127.0.0.1", port: redisPort }, concurrency },
);
worker.on("error", (error) => console.error(error));
