"""The table of quantities: every name a measurement, a column, a `--fail-if` or a reference may use."""

from __future__ import annotations

from dataclasses import dataclass

from segbench.errors import UnknownName


@dataclass(frozen=True)
class Quantity:
    """One thing segbench can tell about a network.

    Attributes:
        name: as in ledgers and exports.
        unit: of the raw value: `byte`, `second`, `count`, `fraction` (0..1), `joule`, `pixel`.
        meaning: one line for the help and the reports.
        family: the loose name under which papers publish it; `train_peak_memory` covers every definition of the
            training peak, because papers seldom say which one they read.
        better: `lower`, `higher` or `neither`, for comparisons and the Pareto front.
    """

    name: str
    unit: str
    meaning: str
    family: str = ""
    better: str = "lower"


def _peaks(mode: str, phrase: str) -> list[Quantity]:
    family = f"{mode}_peak_memory"
    meanings = {
        "live": f"most bytes of tensors alive at once during {phrase}",
        "allocated": f"most bytes the caching allocator had handed out during {phrase} (after rounding)",
        "reserved": f"most bytes of segments the caching allocator held during {phrase}",
        "process": f"most bytes of the whole process during {phrase}: NVML with context on CUDA, peak RSS on the CPU",
    }
    rows = [Quantity(f"{mode}_peak_{kind}_bytes", "byte", text, family) for kind, text in meanings.items()]
    rows.append(Quantity(f"{mode}_first_step_peak_bytes", "byte", "peak of the warm-up steps (autotuning spike)"))
    rows.append(
        Quantity(f"{mode}_kernel_scratch_bytes", "byte", "largest buffer allocated and freed inside one kernel (CPU)")
    )
    return rows


_TABLE = [
    Quantity("parameters", "count", "all parameters at the case's classes, frozen ones included", "parameters"),
    Quantity("trainable_parameters", "count", "parameters that training changes, at the case's classes"),
    Quantity("macs", "count", "multiply-accumulates of one forward pass, counted by execution", "macs"),
    Quantity("flops", "count", "floating-point operations of one forward pass; 1 MAC = 2 FLOPs", "flops"),
    Quantity("activation_bytes", "byte", "bytes of every operator's output in one forward pass"),
    Quantity("kernel_launches", "count", "operators of one forward pass that start a kernel (views excluded)"),
    *_peaks("train", "a training step"),
    *_peaks("infer", "an inference"),
    Quantity("max_batch", "count", "largest batch that was shown to fit the budget", "max_batch", "higher"),
    Quantity("max_batch_fails_at", "count", "smallest batch that was shown not to fit the budget", "", "higher"),
    Quantity("max_input_pixels", "pixel", "largest input at batch 1 of the given aspect that fits", "", "higher"),
    Quantity("max_input_fails_at_pixels", "pixel", "smallest input shown not to fit", "", "higher"),
    Quantity("latency_s", "second", "inference time per image, host to host", "latency"),
    Quantity("latency_p90_s", "second", "inference time per image that nine of ten inferences keep below"),
    Quantity("latency_p99_s", "second", "inference time per image that 99 of 100 inferences keep below"),
    Quantity("batch_latency_s", "second", "inference time per batch, host to host"),
    Quantity("latency_copy_in_s", "second", "host-to-device copy of the images, per image"),
    Quantity("latency_normalise_s", "second", "scaling to floats and normalising, per image"),
    Quantity("latency_forward_s", "second", "the network, per image"),
    Quantity("latency_argmax_s", "second", "up-sampling to full size and argmax, per image"),
    Quantity("latency_copy_out_s", "second", "device-to-host copy of the labels, per image"),
    Quantity("throughput_images_per_s", "image/second", "images per second at the case's batch", "", "higher"),
    Quantity(
        "pipelined_images_per_s", "image/second", "images per second, several batches in flight on CUDA", "", "higher"
    ),
    Quantity("gpu_busy_fraction", "fraction", "share of a call in which the GPU has work", "", "neither"),
    Quantity("train_step_s", "second", "one training step, data loading included"),
    Quantity("train_data_s", "second", "waiting for the batch, per step"),
    Quantity("train_forward_s", "second", "forward and loss, per step"),
    Quantity("train_backward_s", "second", "backward, per step"),
    Quantity("train_optimizer_s", "second", "optimizer, per step"),
    Quantity("epoch_s", "second", "one epoch of the stated number of images", "epoch_time"),
    Quantity("compile_s", "second", "time of torch.compile's first calls beyond a steady call"),
    Quantity("nfe_forward", "count", "evaluations of f per forward solve"),
    Quantity("nfe_backward", "count", "evaluations of f per backward solve"),
    Quantity("gradient_relative_error", "fraction", "|g - g_backprop| / |g_backprop| over all parameters"),
    Quantity(
        "extra_macs", "fraction", "a training step's forward MACs beyond plain back-propagation's, to one forward pass"
    ),
    Quantity("solver_accepted_steps", "count", "accepted steps of an adaptive solve", "", "neither"),
    Quantity("solver_rejected_steps", "count", "rejected steps of an adaptive solve"),
    Quantity("state_speed", "fraction", "|f(h)| / |h|, root mean square over the state", "", "neither"),
    Quantity("pixels_changed", "fraction", "share of pixels whose class differs from the one at T", "", "neither"),
    Quantity("miou", "fraction", "mean IoU from one confusion matrix over the set", "miou", "higher"),
    Quantity("miou_image_mean", "fraction", "mean over images of each image's mean IoU", "", "higher"),
    Quantity("miou_error", "fraction", "1 - miou: the error against ground truth"),
    Quantity("miou_difference", "fraction", "miou minus that of another network, on the same images", "", "higher"),
    Quantity("miou_drop", "fraction", "miou at T minus miou here, on the same images: the error against T"),
    Quantity("calibration_error", "fraction", "expected calibration error of a stage's confidence, 15 bins"),
    Quantity("macs_saved", "fraction", "share of the whole network's MACs that a policy saves", "", "higher"),
    Quantity("time_saved", "fraction", "share of the whole network's time that a policy saves", "", "higher"),
    Quantity("pixel_accuracy", "fraction", "share of labelled pixels that are right", "", "higher"),
    Quantity("class_accuracy", "fraction", "mean over classes of recall", "", "higher"),
    Quantity("image_accuracy", "fraction", "share of whole images whose class is right (pretraining)", "", "higher"),
    Quantity("boundary_f", "fraction", "F-score of class boundaries within a tolerance", "", "higher"),
    Quantity("energy_per_image_j", "joule", "energy of an inference per image by NVML's counter, idling included"),
    Quantity("energy_per_epoch_j", "joule", "energy of an epoch of so many images by NVML's counter, idling included"),
    Quantity("energy_above_idle_per_image_j", "joule", "energy per image beyond what the waiting GPU draws"),
    Quantity("energy_above_idle_per_epoch_j", "joule", "energy per epoch beyond what the waiting GPU draws"),
    Quantity("context_bytes", "byte", "what a process holds of a GPU outside of the allocator", "", "neither"),
    Quantity("cublas_workspace_bytes", "byte", "workspace of a cuBLAS handle", "", "neither"),
    Quantity("networks", "count", "networks that a library has", "", "neither"),
    Quantity("output_stride", "count", "pixels of the image to one of the class scores, where these are enlarged"),
    Quantity("auxiliary_outputs", "count", "outputs beside the main one that the training loss reads"),
    Quantity("images_per_s", "image/second", "images read, decoded and batched per second", "", "higher"),
]

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _TABLE}


_RENAMED = {
    ("energy_j", "infer"): "energy_per_image_j",
    ("energy_j", "train"): "energy_per_epoch_j",
}
"""(name, mode) in ledgers of earlier versions -> the name today; 0.1.0 had one name for two energies."""


def present_name(name: str, mode: str | None) -> str:
    """The name today of a quantity that an earlier version wrote."""
    return _RENAMED.get((name, mode or ""), name)


def quantity(name: str) -> Quantity:
    """The quantity of that name.

    Raises:
        UnknownName: no such quantity; near names are suggested.
    """
    if name not in QUANTITIES:
        raise UnknownName("quantity", name, QUANTITIES)
    return QUANTITIES[name]
