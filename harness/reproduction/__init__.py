"""The paper's figures made again, side by side with the published ones, with a verdict on every published trend."""
