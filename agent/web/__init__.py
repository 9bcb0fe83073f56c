"""The web server of the office: one process, one thread of its own. The only place of FastAPI, uvicorn and asyncio.

A page or an interface is a module with a function that makes its router; `agent.web.app` puts them together.
"""
