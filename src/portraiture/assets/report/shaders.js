'use strict';
// GLSL of the viewer: a shadow pass and a surface pass. World space, metres, linear light.

const BACKDROP_VERTEX = `#version 300 es
out vec2 at;
void main() {
  at = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2);
  gl_Position = vec4(at * 2.0 - 1.0, 1.0, 1.0);
}`;

const BACKDROP_FRAGMENT = `#version 300 es
precision highp float;
in vec2 at;
uniform vec3 upper, lower;
out vec4 color;
void main() {
  float glow = exp(-3.0 * dot(at - vec2(0.5, 0.55), at - vec2(0.5, 0.55)));
  float grain = fract(sin(dot(gl_FragCoord.xy, vec2(12.9898, 78.233))) * 43758.5453) / 255.0;
  color = vec4(mix(lower, upper, glow) + grain, 1.0);
}`;

const SHADOW_VERTEX = `#version 300 es
layout(location = 0) in vec3 position;
layout(location = 2) in vec2 uv;
uniform mat4 light;
out vec2 at;
void main() { at = uv; gl_Position = light * vec4(position, 1.0); }`;

const SHADOW_FRAGMENT = `#version 300 es
precision highp float;
in vec2 at;
uniform sampler2D colorMap;
uniform float cutoff;
void main() { if (texture(colorMap, at).a < cutoff) discard; }`;

const SURFACE_VERTEX = `#version 300 es
layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec2 uv;
uniform mat4 camera, keyView, rimView;
out vec3 world, facing;
out vec2 at;
out vec4 fromKey, fromRim;
void main() {
  world = position;
  facing = normal;
  at = uv;
  vec4 raised = vec4(position + 0.0015 * normalize(normal), 1.0);
  fromKey = keyView * raised;
  fromRim = rimView * raised;
  gl_Position = camera * vec4(position, 1.0);
}`;

// Diffuse: Lambert; skin wraps it, red furthest, as light that comes out again does. Specular:
// GGX with Schlick's Fresnel and Smith's shadowing (Walter et al. 2007); hair: Kajiya and Kay
// (1989) with a white and a tinted, shifted lobe.
const SURFACE_FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler2DShadow;
in vec3 world, facing;
in vec2 at;
in vec4 fromKey, fromRim;
uniform sampler2D colorMap, roughMap, normalMap;
uniform sampler2DShadow keyShadow, rimShadow;
uniform vec3 eye, keyDirection, keyColor, rimDirection, rimColor, sky, ground, tint;
uniform float roughness, metallic, cutoff;
uniform int kind, alphaMode;
uniform bool hasRough, hasNormal, toned;
out vec4 color;

const int TAPS = 12;
const int SKIN = 1, HAIR = 2, EYE = 3, MOUTH = 4, CLOTH = 5, GLASS = 6;
const float PI = 3.14159265;

float lit(sampler2DShadow shadow, vec4 seen) {
  vec3 at = seen.xyz / seen.w * 0.5 + 0.5;
  float turn = fract(52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715))));
  float sum = 0.0;
  for (int k = 0; k < TAPS; k++) {
    float angle = 2.3999632 * float(k) + 6.2831853 * turn;
    vec2 step = sqrt((float(k) + 0.5) / float(TAPS)) * vec2(cos(angle), sin(angle));
    sum += texture(shadow, vec3(at.xy + step * 0.0045, at.z - 0.0012));
  }
  return sum / float(TAPS);
}

float gloss(vec3 n, vec3 v, vec3 l, float rough) {
  vec3 h = normalize(v + l);
  float a = rough * rough, a2 = a * a;
  float nh = max(dot(n, h), 0.0), nl = max(dot(n, l), 0.0), nv = max(dot(n, v), 1e-3);
  float d = nh * nh * (a2 - 1.0) + 1.0;
  float k = 0.5 * a;
  float smith = 1.0 / ((nl * (1.0 - k) + k) * (nv * (1.0 - k) + k));
  return a2 / (PI * d * d) * smith * 0.25 * nl;
}

float strand(vec3 t, vec3 v, vec3 l, float power) {
  float th = dot(t, normalize(v + l));
  return pow(max(1.0 - th * th, 0.0), 0.5 * power);
}

vec3 diffuse(vec3 n, vec3 l) {
  float nl = dot(n, l);
  if (kind == SKIN) {
    vec3 wrap = vec3(0.22, 0.10, 0.06);
    return max(nl + wrap, 0.0) / (1.0 + wrap);
  }
  if (kind == HAIR) return vec3(max(nl + 0.35, 0.0) / 1.82);
  return vec3(max(nl, 0.0));
}

vec3 filmic(vec3 x) {
  x = max(x, 0.0);
  vec3 y = min(x, 0.6) + 0.4 * (1.0 - exp(-max(x - 0.6, 0.0) / 0.4));
  return mix(12.92 * y, 1.055 * pow(y, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, y));
}

void main() {
  vec4 base = texture(colorMap, at);
  if (alphaMode == 1) base.a = clamp((base.a - cutoff) / max(fwidth(base.a), 1e-3) + 0.5, 0.0, 1.0);
  if (base.a < 0.004) discard;
  base.rgb *= tint;
  vec3 v = normalize(eye - world), n = normalize(facing);
  if (toned) {  // unlit in the file: its colours in two tones
    float level = smoothstep(-0.06, 0.12, dot(n, keyDirection));
    if (kind == EYE || kind == MOUTH || kind == GLASS) level = 1.0;
    vec3 x = base.rgb * mix(vec3(0.70, 0.62, 0.71), vec3(1.0), level);
    color = vec4(mix(12.92 * x, 1.055 * pow(x, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, x)), base.a);
    return;
  }
  vec3 dx = dFdx(world), dy = dFdy(world);
  vec2 ux = dFdx(at), uy = dFdy(at);
  float turn = sign(ux.x * uy.y - ux.y * uy.x);
  vec3 along = normalize((dx * uy.y - dy * ux.y) * turn + 1e-12);
  vec3 down = normalize((dy * ux.x - dx * uy.x) * turn + 1e-12);
  if (hasNormal) {
    vec3 m = texture(normalMap, at).xyz * 2.0 - 1.0;
    vec3 t = normalize(along - n * dot(n, along)), b = normalize(down - n * dot(n, down));
    n = normalize(t * m.x - b * m.y + n * m.z);
  }
  if (dot(n, v) < 0.0 && kind != SKIN && kind != HAIR) n = normalize(n - 2.0 * dot(n, v) * v);
  float rough = clamp(roughness * (hasRough ? texture(roughMap, at).g : 1.0), 0.08, 1.0);
  float seen = lit(keyShadow, fromKey);
  vec3 edge = rimColor * lit(rimShadow, fromRim);
  vec3 ambient = mix(ground, sky, 0.5 + 0.5 * n.y);
  if (kind == MOUTH) ambient *= 0.45;
  vec3 albedo = base.rgb * (1.0 - metallic), f0 = mix(vec3(0.04), base.rgb, metallic);
  vec3 light = albedo * (ambient + keyColor * diffuse(n, keyDirection) * seen
      + edge * max(dot(n, rimDirection), 0.0));
  if (kind == HAIR) {
    vec3 white = vec3(0.05) * strand(down + 0.10 * n, v, keyDirection, 90.0);
    vec3 tinted = base.rgb * 0.55 * strand(down - 0.16 * n, v, keyDirection, 28.0);
    float rim = strand(down, v, rimDirection, 24.0);
    light += (white + tinted) * keyColor * seen * clamp(dot(n, keyDirection) + 0.4, 0.0, 1.0)
      + (0.01 + 0.3 * base.rgb) * edge * rim * clamp(dot(n, rimDirection) + 0.2, 0.0, 1.0);
  } else {
    float grazing = pow(1.0 - max(dot(n, v), 0.0), 5.0);
    vec3 fresnel = f0 + (max(vec3(1.0 - rough), f0) - f0) * grazing;
    // The scalp painted dark under hair does not shine: hair that is not modelled covers it.
    if (kind == SKIN) fresnel *= smoothstep(0.015, 0.04, dot(base.rgb, vec3(0.2126, 0.7152, 0.0722)));
    light += fresnel * (PI * gloss(n, v, keyDirection, rough) * keyColor * seen
        + PI * gloss(n, v, rimDirection, rough) * edge + ambient * (1.0 - 0.6 * rough));
  }
  if (kind == EYE || kind == GLASS) {
    vec3 r = reflect(-v, n);
    vec2 box = abs(r.xy - vec2(-0.26, 0.24));
    float pane = smoothstep(0.10, 0.07, box.x) * smoothstep(0.12, 0.09, box.y) * step(0.0, r.z);
    light += pane * (kind == EYE ? 0.55 : 0.12);
    if (kind == GLASS) base.a = min(base.a + 0.25 * pane, 1.0);
  }
  color = vec4(filmic(light), alphaMode == 0 ? 1.0 : base.a);
}`;
