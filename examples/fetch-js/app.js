// A web handler as workers have it: a listener for `fetch`. Each request has an instance of its own, so `visits` is always one.

let visits = 0;

addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  visits += 1;
  const { pathname, searchParams } = new URL(request.url);
  switch (pathname) {
    case "/":
      return new Response(`Hello, ${searchParams.get("name") ?? "world"}! This is visit ${visits}.\n`);
    case "/sum":
      return sum(request);
    case "/echo":
      return new Response(request.body, { headers: { "content-type": "application/octet-stream" } });
    case "/countdown":
      return new Response(countdown(3), { headers: { "content-type": "text/plain" } });
    default:
      return new Response("there are `/`, `/sum`, `/echo` and `/countdown`\n", { status: 404 });
  }
}

async function sum(request) {
  if (request.method !== "POST") {
    return new Response("send a list of numbers\n", { status: 405, headers: { allow: "POST" } });
  }
  const numbers = await request.json().catch(() => null);
  if (!Array.isArray(numbers) || !numbers.every(Number.isFinite)) {
    return Response.json({ error: "this is no list of numbers" }, { status: 400 });
  }
  return Response.json({ sum: numbers.reduce((sum, number) => sum + number, 0) });
}

// Its pieces are sent as they come, a tenth of a second apart.
function countdown(from) {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async start(controller) {
      for (let left = from; left > 0; left -= 1) {
        controller.enqueue(encoder.encode(`${left}\n`));
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      controller.enqueue(encoder.encode("lift-off\n"));
      controller.close();
    },
  });
}
