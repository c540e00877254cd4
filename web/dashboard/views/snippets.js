/** Programs that send a first event, with the project's own key and this service's address in them. */

/**
 * `[{id, title, text, note}]` of a project.
 * @param {{address: string, projectKey: string, apiKey?: string|null}} project `apiKey` where the projectKey alone may not send
 */
export function buildSnippets({ address, projectKey, apiKey = null }) {
  const target = { address, projectKey, apiKey };
  return [
    {
      id: "script",
      title: "Website",
      text: buildScript(target),
      note: "Put it before </head> of every page. It sends page views, time on page, downloads and links to other sites.",
    },
    { id: "curl", title: "curl", text: buildCurl(target), note: "Run it in a terminal." },
    { id: "python", title: "Python", text: buildPython(target), note: "Nothing but Python itself is needed." },
    { id: "node", title: "Node", text: buildNode(target), note: "Node 18 or newer; nothing to install." },
  ];
}

function buildScript({ address, projectKey }) {
  return `<script async src="${address}/t.js" data-project="${projectKey}"></script>
<noscript><img src="${address}/v1/pixel.gif?projectKey=${projectKey}" alt=""></noscript>`;
}

function buildCurl({ address, projectKey, apiKey }) {
  const key = apiKey ? `\n  -H "X-API-Key: ${apiKey}" \\` : "";
  return `curl -X POST ${address}/v1/events/batch \\
  -H "Content-Type: application/json" \\${key}
  -d '{"projectKey": "${projectKey}", "events": [{"eventName": "hello", "userId": "me"}]}'`;
}

function buildPython({ address, projectKey, apiKey }) {
  const key = apiKey ? `, "X-API-Key": "${apiKey}"` : "";
  return `import json, urllib.request

batch = {"projectKey": "${projectKey}", "events": [{"eventName": "hello", "userId": "me"}]}
request = urllib.request.Request(
    "${address}/v1/events/batch",
    data=json.dumps(batch).encode(),
    headers={"Content-Type": "application/json"${key}},
)
print(urllib.request.urlopen(request, timeout=10).read().decode())`;
}

function buildNode({ address, projectKey, apiKey }) {
  const key = apiKey ? `, "X-API-Key": "${apiKey}"` : "";
  return `fetch("${address}/v1/events/batch", {
  method: "POST",
  headers: { "Content-Type": "application/json"${key} },
  body: JSON.stringify({ projectKey: "${projectKey}", events: [{ eventName: "hello", userId: "me" }] }),
}).then((answer) => answer.json()).then(console.log);`;
}
