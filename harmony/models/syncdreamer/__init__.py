"""SyncDreamer (arXiv 2309.03453), the multi-view diffusion model that HarmonyView guides.

`load.load_syncdreamer` gives the model; `convert` and `fetch` bring its weights.
"""
