#include "train/optimizer.h"

#include "azr/formats.h"
#include "azr/kernels.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <math.h>

azr_status azr_optimizer_init(azr_optimizer *optimizer, const azr_model *model, azr_error *error)
{
    size_t n = (size_t)azr_model_n_weights(model);
    *optimizer = (azr_optimizer){.m = azr_try_alloc_aligned(n, sizeof(float)),
                                 .v = azr_try_alloc_aligned(n, sizeof(float))};
    if (optimizer->m != NULL && optimizer->v != NULL)
        return AZR_OK;
    azr_optimizer_deinit(optimizer);
    return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the optimizer's 2 x %zu moments",
                         n);
}

void azr_optimizer_deinit(azr_optimizer *optimizer)
{
    azr_free(optimizer->m);
    azr_free(optimizer->v);
    *optimizer = (azr_optimizer){0};
}

static azr_status name_bad_tensor(azr_model *model, double norm, azr_error *error)
{
    const char *name = "all together";
    for (size_t i = 0; i < azr_model_n_parameters(model); i++) {
        const azr_parameter *parameter = azr_model_parameter(model, i);
        double squares =
            azr_sum_squares(parameter->n_elements, azr_model_gradients(model) + parameter->offset);
        if (!isfinite(squares)) {
            name = parameter->name;
            break;
        }
    }
    return azr_error_set(error, AZR_ERROR_NUMERIC, "the gradient's norm is %g (first in %s)", norm,
                         name);
}

azr_status azr_optimizer_update(azr_optimizer *optimizer, azr_model *model,
                                const azr_config *config, double learning_rate,
                                double *out_grad_norm, azr_error *error)
{
    int64_t n = azr_model_n_weights(model);
    float *gradients = azr_model_gradients(model);
    double norm = sqrt(azr_sum_squares(n, gradients));
    if (!isfinite(norm))
        return name_bad_tensor(model, norm, error);
    double scale = config->grad_clip > 0.0 ? config->grad_clip / (norm + 1e-6) : 1.0;
    const azr_adamw adamw = {
        .learning_rate = (float)learning_rate,
        .beta1 = (float)config->adam_beta1,
        .beta2 = (float)config->adam_beta2,
        .eps = (float)config->adam_eps,
        .weight_decay = (float)config->weight_decay,
        .opt_step = ++optimizer->opt_step,
    };
    azr_adamw_update(&adamw, n, scale < 1.0 ? (float)scale : 1.0F, azr_model_weights(model),
                     gradients, optimizer->m, optimizer->v);
    azr_model_refresh(model);
    *out_grad_norm = norm;
    return AZR_OK;
}

/* The two lists of tensors, m first; names are owned by the caller's array. */
static azr_tensor_out *list_moments(const azr_optimizer *optimizer, const azr_model *model,
                                    char **names)
{
    size_t n = azr_model_n_parameters(model);
    azr_tensor_out *tensors = azr_alloc(2 * n, sizeof *tensors);
    for (size_t i = 0; i < 2 * n; i++) {
        const azr_parameter *parameter = azr_model_parameter(model, i < n ? i : i - n);
        azr_strbuf name = {0};
        azr_strbuf_printf(&name, "%c.%s", i < n ? 'm' : 'v', parameter->name);
        names[i] = azr_strbuf_steal(&name);
        tensors[i] =
            (azr_tensor_out){.name = names[i],
                             .n_dims = parameter->n_dims,
                             .data = (i < n ? optimizer->m : optimizer->v) + parameter->offset};
        for (int d = 0; d < parameter->n_dims; d++)
            tensors[i].dims[d] = parameter->dims[d];
    }
    return tensors;
}

azr_status azr_optimizer_save(const azr_optimizer *optimizer, const azr_model *model,
                              const char *folder, azr_error *error)
{
    size_t n = 2 * azr_model_n_parameters(model);
    char **names = azr_alloc(n, sizeof *names);
    azr_tensor_out *tensors = list_moments(optimizer, model, names);
    char *path = azr_path_join(folder, "optimizer.safetensors");
    azr_status status = azr_safetensors_write(path, tensors, n, error);
    azr_free(path);
    for (size_t i = 0; i < n; i++)
        azr_free(names[i]);
    azr_free(names);
    azr_free(tensors);
    return status;
}

azr_status azr_optimizer_load(azr_optimizer *optimizer, const azr_model *model, const char *folder,
                              azr_error *error)
{
    char *path = azr_path_join(folder, "optimizer.safetensors");
    size_t n = azr_model_n_parameters(model);
    azr_weights_file *file = NULL;
    azr_status status = azr_weights_open(path, &file, error);
    for (size_t i = 0; status == AZR_OK && i < 2 * n; i++) {
        const azr_parameter *parameter = azr_model_parameter(model, i < n ? i : i - n);
        azr_strbuf name = {0};
        azr_strbuf_printf(&name, "%c.%s", i < n ? 'm' : 'v', parameter->name);
        const azr_tensor *tensor = azr_weights_find(file, name.data);
        if (tensor == NULL || tensor->n_elements != parameter->n_elements)
            status = azr_error_set(error, AZR_ERROR_INPUT, "%s lacks the tensor %s of %lld numbers",
                                   path, name.data, (long long)parameter->n_elements);
        else
            azr_tensor_read(tensor, 0, tensor->n_elements,
                            (i < n ? optimizer->m : optimizer->v) + parameter->offset);
        azr_strbuf_deinit(&name);
    }
    azr_weights_close(file);
    azr_free(path);
    return status;
}
