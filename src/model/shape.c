/* shape.c: what sizes a model may have, and what follows from them. */
#include "model/network.h"

#include "base/check.h"

#include <math.h>

const char *azr_family_name(azr_family family)
{
    static const char *const names[] = {"llama", "qwen2", "qwen3"};
    AZR_CHECK((size_t)family < AZR_COUNT(names));
    return names[family];
}

int64_t azr_model__qkv_width(const azr_model_shape *shape)
{
    return (shape->n_heads + 2 * shape->n_kv_heads) * shape->d_head;
}

typedef struct limit {
    const char *name; /* as in config.json */
    int64_t value, min, max;
} limit;

static azr_status check_rope(const azr_model_shape *s, const char *where, azr_error *error)
{
    if (!(s->rope_theta >= 1 && s->rope_theta <= 1e12F))
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: rope_theta is %g, must be 1 to 1e12",
                             where, (double)s->rope_theta);
    if (!s->rope_scaled)
        return AZR_OK;
    if (!(s->rope_factor >= 1 && s->rope_factor <= 1e6F && s->rope_low_freq_factor > 0 &&
          s->rope_high_freq_factor > s->rope_low_freq_factor && s->rope_high_freq_factor <= 1e6F &&
          s->rope_original_seq_len >= 1 && s->rope_original_seq_len <= (int64_t)1 << 21))
        return azr_error_set(
            error, AZR_ERROR_INPUT,
            "%s: rope_scaling of type llama3 needs factor >= 1, 0 < low_freq_factor "
            "< high_freq_factor and original_max_position_embeddings >= 1",
            where);
    return AZR_OK;
}

azr_status azr_model__check_shape(const azr_model_shape *s, const char *where, azr_error *error)
{
    const limit limits[] = {
        {"num_hidden_layers", s->n_layers, 1, 1024},
        {"hidden_size", s->d_model, 1, 65536},
        {"intermediate_size", s->d_ff, 1, 1 << 20},
        {"num_attention_heads", s->n_heads, 1, 1024},
        {"num_key_value_heads", s->n_kv_heads, 1, 1024},
        {"head_dim", s->d_head, 2, 1024},
        {"vocab_size", s->n_vocab, 2, 1 << 22},
        {"max_position_embeddings", s->max_seq_len, 1, 1 << 21},
    };
    for (size_t i = 0; i < AZR_COUNT(limits); i++) {
        const limit *l = &limits[i];
        if (l->value < l->min || l->value > l->max)
            return azr_error_set(error, AZR_ERROR_INPUT, "%s: %s is %lld, must be %lld to %lld",
                                 where, l->name, (long long)l->value, (long long)l->min,
                                 (long long)l->max);
    }
    if (s->n_heads % s->n_kv_heads != 0)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s: num_attention_heads %lld is no multiple of num_key_value_heads "
                             "%lld",
                             where, (long long)s->n_heads, (long long)s->n_kv_heads);
    if (s->d_head % 2 != 0)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s: head_dim %lld is odd", where,
                             (long long)s->d_head);
    if (!(s->norm_eps > 0 && s->norm_eps <= 1))
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "%s: rms_norm_eps is %g, must be above 0 and at most 1", where,
                             (double)s->norm_eps);
    /* Each family has one form only; a file that says otherwise has tensors azr has no place for.
     */
    if (s->qkv_bias != (s->family == AZR_FAMILY_QWEN2))
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "%s: biases of q, k and v belong to the qwen2 family and to it alone",
                             where);
    if (s->qk_norm != (s->family == AZR_FAMILY_QWEN3))
        return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                             "%s: norms of q and k belong to the qwen3 family and to it alone",
                             where);
    return check_rope(s, where, error);
}

/* Long waves are slowed by the factor, short ones left, those between blended ("llama3" of
 * transformers, after the Llama 3.1 release). All in f32, in the order of the original. */
static float scale_frequency(const azr_model_shape *shape, float frequency)
{
    float length = (float)shape->rope_original_seq_len;
    float low = shape->rope_low_freq_factor, high = shape->rope_high_freq_factor;
    float wave = (float)(2 * 3.14159265358979323846) / frequency;
    if (wave > length / low)
        return frequency / shape->rope_factor;
    if (wave < length / high)
        return frequency;
    float smooth = (length / wave - low) / (high - low);
    return (1 - smooth) * frequency / shape->rope_factor + smooth * frequency;
}

void azr_model__rope_frequencies(const azr_model_shape *shape, float *out_frequencies)
{
    for (int64_t i = 0; i < shape->d_head / 2; i++) {
        float exponent = (float)(2 * i) / (float)shape->d_head;
        float f = 1.0F / (float)pow((double)shape->rope_theta, (double)exponent);
        out_frequencies[i] = shape->rope_scaled ? scale_frequency(shape, f) : f;
    }
}
