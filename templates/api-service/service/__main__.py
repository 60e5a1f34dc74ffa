from service import web
from service.notes import Notes

if __name__ == "__main__":
    web.serve(Notes().answer)
