// What the trainer uses of torch, and its precompiled header. With <torch/torch.h> every file would instantiate the
// templates of all optimizers, data loaders and modules anew, precompiled or not: 12 s instead of 6.
#pragma once

#include <torch/autograd.h>
#include <torch/cuda.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/types.h>
#include <torch/utils.h>
