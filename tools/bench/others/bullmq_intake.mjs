// A small HTTP intake before BullMQ: an event becomes a job; answered when Redis has it.
// usage: node bullmq_intake.mjs PORT REDIS_PORT
import { createServer } from "node:http";
import { Queue } from "bullmq";

const [port, redisPort] = process.argv.slice(2).map(Number);
const queue = new Queue("webhooks", {
  connection: { host: "127.0.0.1", port: redisPort },
  defaultJobOptions: {
    attempts: 12,
    backoff: { type: "exponential", delay: 5_000 },
    removeOnComplete: true,
  },
});

async function take(request, response) {
  let text = "";
  for await (const chunk of request) text += chunk;
  const event = JSON.parse(text);
  // The condition of the scenario.
  if (event.contact.email.endsWith("@bench.example.org")) await queue.add("webhook", event);
  const answer = '{"accepted":1}';
  response.writeHead(202, { "content-type": "application/json", "content-length": answer.length });
  response.end(answer);
}

createServer((request, response) => {
  take(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500, { "content-length": 0 }).end();
  });
}).listen(port, "127.0.0.1");
