// What the trainer uses of torch, and its precompiled header. <torch/torch.h> would cost every file twice the time: its
// optimizers, data loaders and modules are templates that each file instantiates anew.
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
