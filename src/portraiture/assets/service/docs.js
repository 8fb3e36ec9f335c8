'use strict';
// The routes of openapi.json, to be read.

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children.filter(Boolean));
  return made;
}

function values(schema = {}) {
  const kinds = schema.anyOf || [schema];
  const parts = kinds.filter((one) => one.type !== 'null').map((one) => {
    if (one.enum) return one.enum.join(', ');
    const low = one.minimum ?? one.exclusiveMinimum;
    const range = one.maximum === undefined ? '' : ` from ${low ?? ''} to ${one.maximum}`;
    return `${one.format === 'binary' ? 'file' : one.type || 'any'}${range}`;
  });
  return parts.join(' or ');
}

function rows(pairs) {
  const table = element('table');
  for (const [name, kind, about] of pairs) {
    table.append(element('tr', '', element('td', '', element('code', name)), element('td', kind), element('td', about || '')));
  }
  return table;
}

function parameters(operation) {
  const shown = (operation.parameters || []).filter((one) => one.in !== 'path' && !/key/i.test(one.name));
  return shown.length && rows(shown.map((one) => [one.name, values(one.schema), one.description]));
}

function body(operation) {
  const content = operation.requestBody?.content;
  if (!content) return null;
  const made = element('div');
  for (const [kind, { schema, example }] of Object.entries(content)) {
    made.append(element('p', '', document.createTextNode('Body '), element('code', kind)));
    const fields = Object.entries(schema.properties || {});
    if (fields.length) made.append(rows(fields.map(([name, one]) => [name, values(one), one.description])));
    if (example) made.append(element('pre', JSON.stringify(example, null, 1)));
  }
  return made;
}

function route(method, path, operation) {
  const head = element('summary', '', element('b', method.toUpperCase()), element('code', path), element('span', operation.summary));
  const about = (operation.description || '').replace(/\s+/g, ' ');
  const inside = element('div', '', about && element('p', about), parameters(operation), body(operation));
  inside.className = 'inside';
  return element('details', '', head, inside);
}

async function show() {
  const schema = await (await fetch('openapi.json')).json();
  document.getElementById('about').textContent = schema.info.description;
  const groups = new Map();
  for (const [path, methods] of Object.entries(schema.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = (operation.tags || ['other'])[0];
      if (!groups.has(tag)) groups.set(tag, element('section', '', element('h2', tag)));
      groups.get(tag).append(route(method, path, operation));
    }
  }
  document.getElementById('routes').append(...groups.values());
}

show().catch(() => { document.getElementById('about').textContent = 'The routes cannot be read now.'; });
