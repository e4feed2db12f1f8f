/// \file
/// The whole library in one include.
#pragma once

#include "llm/core/buffer.hpp"
#include "llm/core/dtype.hpp"
#include "llm/core/error.hpp"
#include "llm/core/thread_pool.hpp"
#include "llm/core/types.hpp"
#include "llm/generation/generation_config.hpp"
#include "llm/generation/generator.hpp"
#include "llm/generation/logits_processor.hpp"
#include "llm/generation/observer.hpp"
#include "llm/generation/random_stream.hpp"
#include "llm/generation/stop_rule.hpp"
#include "llm/generation/text_streamer.hpp"
#include "llm/model/language_model.hpp"
#include "llm/prompt/few_shot.hpp"
#include "llm/prompt/text_template.hpp"
#include "llm/tensor/tensor.hpp"
#include "llm/tensor/workspace.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "llm/weights/weight.hpp"
#include "llm/weights/weight_store.hpp"
