"""The trajectory viewer's data: how an image's segmentation refines along the solver's time.

The pictures travel inside the ledger, so that a ledger alone remakes the page. The task `trajectory` puts them into the
`detail` of its `miou` measurements (one measurement an end time, `factors["t_end"]`), for a few images only:

    detail["pictures"] = {NAME: {"photo": PNG, "truth": PNG}}      on the `miou` row of the first end time
    detail["frames"]   = {NAME: {"labels": PNG, "miou": 0.61}}     on the `miou` row of every end time

`NAME` is any text that names the image (`synthetic/test/0003`), the same in both. `PNG` is a base64 text of a PNG of at
most 240x180 pixels: the photo in RGB or with a palette of 64 colours, truth and labels with the data set's palette
(ignored pixels black), as `evaluation.pictures.save_prediction` writes them. `miou` is that image's own mean IoU, a
fraction, or None. The NFE, MACs and time shown are those of the rows with the same `t_end` (and the same `steps`, where
the sweep has it). At most `MOST_IMAGES` images are shown; six images at five times are about 150 kB.

Only synthetic scenes may be embedded: pages are made to be published, the data sets' images may not be. Frames of an
entry whose data set is not the synthetic one are left out here, whatever the ledger holds.
"""
