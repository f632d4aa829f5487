// Rasteriser and shader of the training renderer. Plain C launchers, loaded through ctypes.
//
// The arithmetic mirrors torch_path.py and shading.py operation by operation; the library is
// built without fused multiply-add, so that coverage and depth agree to the bit.

#include <cstdint>

#ifndef LAUNCH
#define LAUNCH(kernel, grid, block, stream, ...) kernel<<<grid, block, 0, stream>>>(__VA_ARGS__)
#endif

typedef unsigned long long Packed;

struct Triangles {
    const float *screen;         // (K, V, 3): x, y in samples, 1 / depth
    const int *faces;            // (F, 3)
    const int *face_scene;       // (F)
    const int *face_cutout;      // (F): texture with holes, or -1
    const float *uvs;            // (V, 2)
    const uint8_t *texels;       // (T, 4)
    const int *texture_table;    // (N, 4): first texel, width, height, holes
    int view_count, vertex_count, face_count, sample_size;
};

struct Corner { float x, y, inverse_depth; };

struct Texture { int first, width, height; };

__device__ inline Corner load_corner(const Triangles &t, int view, int vertex) {
    const float *p = t.screen + 3 * ((int64_t)view * t.vertex_count + vertex);
    return {p[0], p[1], p[2]};
}

// Twice the signed area of (a, b, p), from endpoints in one canonical order: two triangles that
// share an edge then get exactly opposite values, so that no sample falls between them.
__device__ inline float edge(const Corner &a, const Corner &b, float px, float py) {
    bool swap = a.x > b.x || (a.x == b.x && a.y > b.y);
    float sx = swap ? b.x : a.x, sy = swap ? b.y : a.y;
    float ex = swap ? a.x : b.x, ey = swap ? a.y : b.y;
    float value = (ex - sx) * (py - sy) - (ey - sy) * (px - sx);
    return swap ? -value : value;
}

__device__ inline float wrap(float value) { return value - floorf(value); }

__device__ inline Texture load_texture(const int *table, int number) {
    const int *row = table + 4 * number;
    return {row[0], row[1], row[2]};
}

__device__ inline bool is_hole(const Triangles &t, const Texture &texture, float u, float v) {
    int column = min((int)(wrap(u) * texture.width), texture.width - 1);
    int row = min((int)(wrap(1.0f - v) * texture.height), texture.height - 1);
    return t.texels[4 * ((int64_t)texture.first + row * texture.width + column) + 3] < 128;
}

__device__ inline void bounds(float a, float b, float c, int size, int &first, int &last) {
    first = max((int)ceilf(fminf(fminf(a, b), c) - 0.5f), 0);
    last = min((int)floorf(fmaxf(fmaxf(a, b), c) - 0.5f), size - 1);
}

// Visits samples `start`, `start + stride`, ... of the triangle's bounding box.
__device__ void fill(const Triangles &t, Packed *packed, int view, int face, const Corner *c,
                     int x_first, int x_last, int y_first, int y_last, int start, int stride) {
    int width = x_last - x_first + 1, count = width * (y_last - y_first + 1);
    int picture = t.face_scene[face] * t.view_count + view;
    Packed *target = packed + (int64_t)picture * t.sample_size * t.sample_size;
    int cutout = t.face_cutout[face];
    for (int i = start; i < count; i += stride) {
        int row = y_first + i / width, column = x_first + i % width;
        float px = column + 0.5f, py = row + 0.5f;
        float w0 = edge(c[1], c[2], px, py);
        float w1 = edge(c[2], c[0], px, py);
        float w2 = edge(c[0], c[1], px, py);
        bool inside = (w0 >= 0 && w1 >= 0 && w2 >= 0) || (w0 <= 0 && w1 <= 0 && w2 <= 0);
        float area = w0 + w1 + w2;
        if (!inside || area == 0) continue;
        float p0 = w0 * c[0].inverse_depth, p1 = w1 * c[1].inverse_depth;
        float p2 = w2 * c[2].inverse_depth;
        float total = p0 + p1 + p2;
        float depth = area / total;
        Packed value = ((Packed)__float_as_uint(depth) << 32) | (unsigned)face;
        Packed *sample = target + row * t.sample_size + column;
        if (value >= *(volatile Packed *)sample) continue;
        if (cutout >= 0) {
            const int *v = t.faces + 3 * face;
            const float *a = t.uvs + 2 * v[0], *b = t.uvs + 2 * v[1], *d = t.uvs + 2 * v[2];
            float u = (p0 * a[0] + p1 * b[0] + p2 * d[0]) / total;
            float w = (p0 * a[1] + p1 * b[1] + p2 * d[1]) / total;
            if (is_hole(t, load_texture(t.texture_table, cutout), u, w)) continue;
        }
        atomicMin(sample, value);
    }
}

__device__ inline int load_triangle(const Triangles &t, int view, int face, Corner *c,
                                    int *box) {
    for (int k = 0; k < 3; ++k) c[k] = load_corner(t, view, t.faces[3 * face + k]);
    bounds(c[0].x, c[1].x, c[2].x, t.sample_size, box[0], box[1]);
    bounds(c[0].y, c[1].y, c[2].y, t.sample_size, box[2], box[3]);
    if (box[0] > box[1] || box[2] > box[3]) return 0;
    return (box[1] - box[0] + 1) * (box[3] - box[2] + 1);
}

// One thread for each triangle of each view; larger ones are left to rasterize_large.
__global__ void rasterize_small(Triangles t, Packed *packed, int *large, int *large_count,
                                int largest) {
    int64_t index = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= (int64_t)t.view_count * t.face_count) return;
    int view = (int)(index / t.face_count), face = (int)(index % t.face_count);
    Corner c[3];
    int box[4];
    int samples = load_triangle(t, view, face, c, box);
    if (samples == 0) return;
    if (samples > largest) {
        large[atomicAdd(large_count, 1)] = (int)index;
        return;
    }
    fill(t, packed, view, face, c, box[0], box[1], box[2], box[3], 0, 1);
}

// One block for each listed triangle, as often as the grid needs to go round.
__global__ void rasterize_large(Triangles t, Packed *packed, const int *large,
                                const int *large_count) {
    for (int i = blockIdx.x; i < *large_count; i += gridDim.x) {
        int view = large[i] / t.face_count, face = large[i] % t.face_count;
        Corner c[3];
        int box[4];
        load_triangle(t, view, face, c, box);
        fill(t, packed, view, face, c, box[0], box[1], box[2], box[3], threadIdx.x, blockDim.x);
    }
}

struct Surface {
    const float *world;          // (V, 3)
    const float *local;          // (V, 3): object coordinates, for patterns
    const float *corner_normals; // (library faces, 3, 3)
    const int *face_source;      // (F): row of corner_normals
    const int *face_instance;    // (F)
    const int *face_layer;       // (F): row of the layer tables
    const float *layer_color;    // (L, 3)
    const int *layer_texture;    // (L): texture or -1
    const int *layer_triplanar;  // (L): 1 projects along the axes instead of using uvs
    const float *normal_matrix;  // (I, 3, 3)
    const float *color_matrix;   // (I, 3, 3)
    const float *gamma;          // (I)
    const float *pattern_scale;  // (I)
    const float *visibility;     // (V): share of the sky that a vertex sees
    const float *lights;         // (scenes, 21)
    const float *centres;        // (scenes, K, 3)
};

struct Vec { float x, y, z; };

__device__ inline Vec load(const float *p) { return {p[0], p[1], p[2]}; }
__device__ inline float dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
__device__ inline Vec mix3(float a, Vec p, float b, Vec q, float c, Vec r) {
    return {a * p.x + b * q.x + c * r.x, a * p.y + b * q.y + c * r.y, a * p.z + b * q.z + c * r.z};
}
__device__ inline Vec unit(Vec a) {
    float length = fmaxf(sqrtf(dot(a, a)), 1e-12f);
    return {a.x / length, a.y / length, a.z / length};
}
__device__ inline Vec multiply(const float *m, Vec a) {
    return {dot(load(m), a), dot(load(m + 3), a), dot(load(m + 6), a)};
}
__device__ inline float clamp01(float a) { return fminf(fmaxf(a, 0.0f), 1.0f); }

// Bilinear lookup with wrap-around; texels count by their alpha, so that holes do not bleed.
__device__ Vec sample_texture(const uint8_t *texels, const Texture &t, float u, float v) {
    float x = wrap(u) * t.width - 0.5f, y = wrap(1.0f - v) * t.height - 0.5f;
    float x_floor = floorf(x), y_floor = floorf(y);
    float fx = x - x_floor, fy = y - y_floor;
    Vec sum = {0, 0, 0};
    float weights = 0;
    for (int k = 0; k < 4; ++k) {
        int column = ((int)x_floor + (k & 1) + t.width) % t.width;
        int row = ((int)y_floor + (k >> 1) + t.height) % t.height;
        const uint8_t *texel = texels + 4 * ((int64_t)t.first + row * t.width + column);
        float weight = (k & 1 ? fx : 1 - fx) * (k >> 1 ? fy : 1 - fy);
        weight = weight * fmaxf((float)texel[3], 1.0f);
        sum.x = sum.x + weight * texel[0];
        sum.y = sum.y + weight * texel[1];
        sum.z = sum.z + weight * texel[2];
        weights = weights + weight;
    }
    float scale = 255.0f * weights;
    return {sum.x / scale, sum.y / scale, sum.z / scale};
}

__device__ Vec albedo(const Triangles &t, const Surface &s, int face, const int *v,
                      const float *b, Vec normal) {
    int layer = s.face_layer[face], instance = s.face_instance[face];
    int number = s.layer_texture[layer];
    Vec color = load(s.layer_color + 3 * layer);
    if (number >= 0) {
        float u, w;
        if (s.layer_triplanar[layer]) {
            Vec p = mix3(b[0], load(s.local + 3 * v[0]), b[1], load(s.local + 3 * v[1]), b[2],
                         load(s.local + 3 * v[2]));
            float ax = fabsf(normal.x), ay = fabsf(normal.y), az = fabsf(normal.z);
            bool x_axis = ax >= ay && ax >= az, y_axis = !x_axis && ay >= az;
            float scale = s.pattern_scale[instance];
            u = (x_axis ? p.y : p.x) * scale;
            w = (x_axis || y_axis ? p.z : p.y) * scale;
        } else {
            const float *p = t.uvs + 2 * v[0], *q = t.uvs + 2 * v[1], *r = t.uvs + 2 * v[2];
            u = b[0] * p[0] + b[1] * q[0] + b[2] * r[0];
            w = b[0] * p[1] + b[1] * q[1] + b[2] * r[1];
        }
        color = sample_texture(t.texels, load_texture(t.texture_table, number), u, w);
    }
    color = multiply(s.color_matrix + 9 * instance, color);
    float gamma = s.gamma[instance];
    return {powf(clamp01(color.x), gamma), powf(clamp01(color.y), gamma),
            powf(clamp01(color.z), gamma)};
}

__device__ Vec light(const float *row, Vec base, Vec normal, Vec to_camera, float visibility) {
    float up = 0.5f + 0.5f * normal.z, open = 1 - row[20] * (1 - visibility);
    Vec sky = load(row), ground = load(row + 3);
    Vec sum = {open * (ground.x + up * (sky.x - ground.x)),
               open * (ground.y + up * (sky.y - ground.y)),
               open * (ground.z + up * (sky.z - ground.z))};
    float gloss = 0;
    for (int k = 0; k < 2; ++k) {
        Vec direction = load(row + 6 + 6 * k), color = load(row + 9 + 6 * k);
        float facing = fmaxf(dot(normal, direction), 0.0f);
        sum.x = sum.x + facing * color.x;
        sum.y = sum.y + facing * color.y;
        sum.z = sum.z + facing * color.z;
        Vec half = unit({direction.x + to_camera.x, direction.y + to_camera.y,
                         direction.z + to_camera.z});
        float strength = k == 0 ? row[18] : 0.5f * row[18];
        gloss = gloss + strength * powf(fmaxf(dot(normal, half), 0.0f), row[19]);
    }
    return {clamp01(base.x * sum.x + gloss), clamp01(base.y * sum.y + gloss),
            clamp01(base.z * sum.z + gloss)};
}

__device__ Vec shade_sample(const Triangles &t, const Surface &s, int view, int scene, int face,
                            float px, float py) {
    const int *v = t.faces + 3 * face;
    Corner c[3];
    for (int k = 0; k < 3; ++k) c[k] = load_corner(t, view, v[k]);
    float b[3] = {edge(c[1], c[2], px, py) * c[0].inverse_depth,
                  edge(c[2], c[0], px, py) * c[1].inverse_depth,
                  edge(c[0], c[1], px, py) * c[2].inverse_depth};
    float total = b[0] + b[1] + b[2];
    for (int k = 0; k < 3; ++k) b[k] = b[k] / total;
    const float *n = s.corner_normals + 9 * (int64_t)s.face_source[face];
    Vec local_normal = mix3(b[0], load(n), b[1], load(n + 3), b[2], load(n + 6));
    Vec normal = unit(multiply(s.normal_matrix + 9 * s.face_instance[face], local_normal));
    Vec place = mix3(b[0], load(s.world + 3 * v[0]), b[1], load(s.world + 3 * v[1]), b[2],
                     load(s.world + 3 * v[2]));
    Vec centre = load(s.centres + 3 * (scene * t.view_count + view));
    Vec to_camera = unit({centre.x - place.x, centre.y - place.y, centre.z - place.z});
    if (dot(normal, to_camera) < 0) normal = {-normal.x, -normal.y, -normal.z};
    Vec base = albedo(t, s, face, v, b, local_normal);
    float visibility = b[0] * s.visibility[v[0]] + b[1] * s.visibility[v[1]] +
                       b[2] * s.visibility[v[2]];
    return light(s.lights + 21 * scene, base, normal, to_camera, visibility);
}

// One thread for each output pixel: mean of its 2 x 2 samples on white, and its coverage.
__global__ void shade_pixels(Triangles t, Surface s, const Packed *packed, uint8_t *pictures,
                             int picture_count) {
    int size = t.sample_size / 2;
    int64_t index = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    int64_t pixels = (int64_t)size * size;
    if (index >= pixels * picture_count) return;
    int picture = (int)(index / pixels), pixel = (int)(index % pixels);
    int scene = picture / t.view_count, view = picture % t.view_count;
    Vec sum = {0, 0, 0};
    int covered = 0;
    for (int k = 0; k < 4; ++k) {
        int column = 2 * (pixel % size) + (k & 1), row = 2 * (pixel / size) + (k >> 1);
        int64_t place = ((int64_t)picture * t.sample_size + row) * t.sample_size + column;
        int64_t value = (int64_t)packed[place];
        if (value == INT64_MAX) {
            sum = {sum.x + 1.0f, sum.y + 1.0f, sum.z + 1.0f};
            continue;
        }
        Vec color = shade_sample(t, s, view, scene, (int)(value & 0xffffffff), column + 0.5f,
                                 row + 0.5f);
        sum = {sum.x + color.x, sum.y + color.y, sum.z + color.z};
        covered += 1;
    }
    uint8_t *out = pictures + 4 * pixels * picture + pixel;
    out[0] = (uint8_t)(sum.x * 63.75f + 0.5f);
    out[pixels] = (uint8_t)(sum.y * 63.75f + 0.5f);
    out[2 * pixels] = (uint8_t)(sum.z * 63.75f + 0.5f);
    out[3 * pixels] = (uint8_t)(covered * 63.75f + 0.5f);
}

extern "C" void launch_rasterize(const Triangles *t, Packed *packed, int *large,
                                 int *large_count, int largest, int blocks,
                                 cudaStream_t stream) {
    int64_t count = (int64_t)t->view_count * t->face_count;
    LAUNCH(rasterize_small, (unsigned)((count + 127) / 128), 128, stream, *t, packed, large,
           large_count, largest);
    LAUNCH(rasterize_large, (unsigned)blocks, 128, stream, *t, packed, large, large_count);
}

extern "C" void launch_shade(const Triangles *t, const Surface *s, const Packed *packed,
                             uint8_t *pictures, int picture_count, cudaStream_t stream) {
    int64_t count = (int64_t)picture_count * (t->sample_size / 2) * (t->sample_size / 2);
    LAUNCH(shade_pixels, (unsigned)((count + 127) / 128), 128, stream, *t, *s, packed, pictures,
           picture_count);
}

extern "C" int last_error(void) { return (int)cudaGetLastError(); }
