"""What lm-eval's own tasks do to their documents, by its own functions."""

import datasets
from lm_eval.tasks.hellaswag.utils import process_docs
from lm_eval.tasks.winogrande.preprocess_winogrande import doc_to_choice as winogrande_choice
from lm_eval.tasks.winogrande.preprocess_winogrande import doc_to_target as winogrande_target
from lm_eval.tasks.winogrande.preprocess_winogrande import doc_to_text as winogrande_text

__all__ = ["hellaswag", "winogrande_choice", "winogrande_target", "winogrande_text"]


def hellaswag(dataset: datasets.Dataset) -> datasets.Dataset:
    """Files whose contexts are prepared already (`ctx` alone) stay as they are."""
    if "ctx_a" in dataset.column_names:
        return process_docs(dataset)
    return dataset.map(lambda doc: {"query": doc["ctx"], "choices": doc["endings"], "gold": int(doc["label"])})
