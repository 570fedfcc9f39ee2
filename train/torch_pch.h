// The precompiled header of the trainer: torch takes about 20 s a file without it.
#pragma once

#include <torch/torch.h>
