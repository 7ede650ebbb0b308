// Swagger UI on the document of this service; started from a file because the content policy forbids inline scripts.
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", tryItOutEnabled: true });
